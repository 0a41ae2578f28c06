package org.finetune4j.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Measures. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = "Measures speed and memory.",
        subcommands = {
            BenchStepCommand.class,
            BenchSftCommand.class,
            BenchFeedCommand.class,
            BenchGenerateCommand.class,
            BenchAdaptersCommand.class,
            BenchServeCommand.class,
            BenchMethodsCommand.class,
            BenchQloraCommand.class,
            BenchGemmCommand.class,
            BenchDequantizeCommand.class,
            BenchMakeModelCommand.class
        })
final class BenchCommand implements Runnable {

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }
}
