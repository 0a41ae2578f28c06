package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.verify.PreferenceVerifier;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.verify.GoldenVerifier;
import org.finetune4j.verify.Tolerances;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Compares a model with results that another implementation recorded. */
@Command(
        name = "verify",
        mixinStandardHelpOptions = true,
        description = "Recomputes what a golden file holds: one line each with the largest difference and the limit.")
final class VerifyCommand implements Callable<Integer> {

    @Mixin
    private ModelOptions model;

    @ArgGroup(multiplicity = "1")
    private Recorded recorded = new Recorded();

    /** What is compared: results of one model, or a folder of what was recorded of learning from feedback. */
    static final class Recorded {

        @Option(names = "--golden", paramLabel = "FILE", description = "Recorded results, safetensors.")
        private @Nullable Path golden;

        @Option(
                names = "--pref",
                paramLabel = "DIR",
                description = "Recorded losses of preferences, reward models and policies; --model is the policy.")
        private @Nullable Path pref;
    }

    @Option(
            names = "--tolerance",
            paramLabel = "T",
            description = "Limit for logits (absolute) and gradients (relative), instead of 5e-5 and 1e-4.")
    private @Nullable Double tolerance;

    @Override
    public Integer call() {
        Tolerances limits = Tolerances.defaults();
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, true)) {
            boolean passed = verify(loaded, adapter, tolerance == null ? limits : limits.with(tolerance));
            System.out.println(passed ? "all equal within the limits" : "there are mismatches");
            return passed ? 0 : Main.FAILURE;
        }
    }

    private boolean verify(CausalLM loaded, @Nullable Adapter adapter, Tolerances limits) {
        Path folder = recorded.pref;
        if (folder != null) {
            return new PreferenceVerifier(loaded, model::loadBeside, limits).verify(folder, System.out::println);
        }
        return new GoldenVerifier(loaded, adapter, limits)
                .verify(Objects.requireNonNull(recorded.golden), System.out::println);
    }
}
