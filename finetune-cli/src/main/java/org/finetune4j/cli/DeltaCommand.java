package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.delta.Delta;
import org.finetune4j.peft.delta.DeltaForm;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Takes the difference of two checkpoints, and puts it onto the base again. */
@Command(
        name = "delta",
        mixinStandardHelpOptions = true,
        description = "Keeps what a fine-tune changed in a file of its own, and puts it onto its base again.",
        subcommands = {DeltaCommand.Diff.class, DeltaCommand.Apply.class})
final class DeltaCommand implements Runnable {

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }

    /** Extracts. */
    @Command(
            name = "diff",
            mixinStandardHelpOptions = true,
            description = "Writes what changed from a base to a model: dense, of low rank, or sparse.")
    static final class Diff implements Callable<Integer> {

        @Option(names = "--base", required = true, paramLabel = "DIR", description = "The model before fine-tuning.")
        private Path base;

        @Option(names = "--model", required = true, paramLabel = "DIR", description = "The model after it.")
        private Path model;

        @Option(
                names = "--rank",
                paramLabel = "N",
                description = "Keep the best product of this rank of every matrix, by SVD.")
        private @Nullable Integer rank;

        @Option(
                names = "--energy",
                paramLabel = "E",
                description =
                        "Keep of every matrix the smallest rank with this share of its squared norm, such as 0.95.")
        private @Nullable Double energy;

        @Option(
                names = "--threshold",
                paramLabel = "T",
                description = "Keep values whose magnitude is above this, with their places.")
        private @Nullable Double threshold;

        @Option(names = "--output", required = true, paramLabel = "FILE", description = "The delta, as safetensors.")
        private Path output;

        @Override
        public Integer call() {
            Delta.Summary summary = Delta.diff(base, model, form(), output);
            System.out.println(String.format(
                    Locale.ROOT,
                    "%s  %d of %d tensors changed, %,d numbers, relative error %.2e",
                    output,
                    summary.changed(),
                    summary.tensors(),
                    summary.numbers(),
                    summary.relativeError()));
            return 0;
        }

        private DeltaForm form() {
            List<DeltaForm> forms = new ArrayList<>();
            if (rank != null) {
                forms.add(new DeltaForm.LowRank(rank));
            }
            if (energy != null) {
                forms.add(new DeltaForm.Energy(energy));
            }
            if (threshold != null) {
                forms.add(new DeltaForm.Sparse(threshold));
            }
            if (forms.size() > 1) {
                throw new UserErrorException("a delta has one form: name one of --rank, --energy and --threshold");
            }
            return forms.isEmpty() ? new DeltaForm.Dense() : forms.get(0);
        }
    }

    /** Puts on. */
    @Command(
            name = "apply",
            mixinStandardHelpOptions = true,
            description = "Puts a delta onto the base that it was taken from and writes the model.")
    static final class Apply implements Callable<Integer> {

        @Option(names = "--base", required = true, paramLabel = "DIR", description = "The model before fine-tuning.")
        private Path base;

        @Option(names = "--delta", required = true, paramLabel = "FILE", description = "What delta diff wrote.")
        private Path delta;

        @Option(
                names = "--scale",
                defaultValue = "1",
                paramLabel = "S",
                description = "What the delta is multiplied by (default: ${DEFAULT-VALUE}).")
        private double scale;

        @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the model.")
        private Path output;

        @Override
        public Integer call() {
            Delta.apply(base, delta, scale, output);
            System.out.println(output);
            return 0;
        }
    }
}
