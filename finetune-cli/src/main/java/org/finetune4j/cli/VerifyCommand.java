package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.verify.GoldenVerifier;
import org.finetune4j.verify.Tolerances;
import org.jspecify.annotations.Nullable;
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

    @Option(names = "--golden", required = true, paramLabel = "FILE", description = "Recorded results, safetensors.")
    private Path golden;

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
            boolean passed = new GoldenVerifier(loaded, adapter, tolerance == null ? limits : limits.with(tolerance))
                    .verify(golden, System.out::println);
            System.out.println(passed ? "all equal within the limits" : "there are mismatches");
            return passed ? 0 : Main.FAILURE;
        }
    }
}
