package org.finetune4j.cli;

import org.finetune4j.cli.quickstart.PretrainCommand;
import org.finetune4j.cli.quickstart.QuickstartCommand;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The root command: without a subcommand it shows help. To add a subcommand, write its class and name it here. */
@Command(
        name = "finetune",
        mixinStandardHelpOptions = true,
        versionProvider = FinetuneCommand.Version.class,
        description = "Fine-tunes language models: Hugging Face format in, Hugging Face format out.",
        scope = ScopeType.LOCAL,
        subcommands = {
            QuickstartCommand.class,
            TrainCommand.class,
            ContinualCommand.class,
            LaunchCommand.class,
            RankCommand.class,
            ValidateCommand.class,
            ConvertConfigCommand.class,
            GenerateCommand.class,
            ClassifyCommand.class,
            ServeCommand.class,
            VerifyCommand.class,
            EvalCommand.class,
            MergeCommand.class,
            SoupCommand.class,
            DeltaCommand.class,
            AddTokensCommand.class,
            ExtractTextCommand.class,
            ExportCommand.class,
            QuantizeCommand.class,
            PlanCommand.class,
            AdviseCommand.class,
            DownloadCommand.class,
            PushCommand.class,
            BenchCommand.class,
            PretrainCommand.class
        })
final class FinetuneCommand implements Runnable {

    @Spec
    private CommandSpec spec;

    @Option(names = "--verbose", scope = ScopeType.INHERIT, description = "Show progress of loading and stack traces.")
    @SuppressWarnings("UnusedVariable") // Main looks for it among the arguments, before anything is parsed
    private boolean verbose;

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }

    /** The version that the build wrote into the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = CommandLine.class.getPackage() == null
                    ? null
                    : FinetuneCommand.class.getPackage().getImplementationVersion();
            return new String[] {"finetune4j " + (version == null ? "development build" : version)};
        }
    }
}
