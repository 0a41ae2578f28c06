package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.quant.Requantization;
import org.finetune4j.quant.Requantization.OutputError;
import org.finetune4j.quant.Requantization.WeightError;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a model is written whose base is quantised: plain, or in its bits again with the error that this makes. */
final class QuantisedBaseOutput {

    private static final int SAMPLE_TOKENS = 128;

    @Option(
            names = "--requantize",
            description = "Write a quantised base in its bits again, and report the error that this makes.")
    private boolean requantize;

    @Option(
            names = "--text",
            paramLabel = "FILE",
            description = "Text to measure that error on; random tokens otherwise.")
    private @Nullable Path text;

    /** Refuses the options where no adapter is merged into its base. */
    void refuse() {
        if (requantize || text != null) {
            throw new UserErrorException("--requantize and --text go with --model and --adapter");
        }
    }

    /** Refuses the options where the base is not quantised. */
    void check(CausalLM loaded) {
        if (text != null && !requantize) {
            throw new UserErrorException("--text measures the error of --requantize, which is missing");
        }
        if (requantize && !isQuantised(loaded)) {
            throw new UserErrorException("--requantize: the base model is not quantised, its merged weights stay plain:"
                    + " quantize the merged model");
        }
    }

    /** Writes a model that an adapter was merged into. */
    void write(CausalLM merged, Path output) {
        if (requantize) {
            requantize(merged);
            merged.save(output);
            return;
        }
        ModelWriter.of(merged).decompressed().write(output);
        if (isQuantised(merged)) {
            System.err.println("the base is quantised: the merged model is written in plain "
                    + merged.config().storageDType().torchName());
        }
    }

    private static boolean isQuantised(CausalLM model) {
        return model.network().namedParameters().values().stream()
                .anyMatch(parameter -> parameter.compressed() != null);
    }

    private void requantize(CausalLM merged) {
        try (TensorScope scope = TensorScope.open()) {
            int[] sample = sample(merged);
            Tensor before = Requantization.scores(merged, sample);
            List<WeightError> errors = Requantization.apply(merged);
            System.out.println("relative error  weight");
            errors.forEach(
                    error -> System.out.printf(Locale.ROOT, "%14.5f  %s%n", error.relativeError(), error.weight()));
            OutputError error = Requantization.compare(before, Requantization.scores(merged, sample));
            System.out.printf(
                    Locale.ROOT,
                    "error of the scores %.5f, divergence %.5f nats a token, same choice %.1f%% of %d tokens%n",
                    error.relativeError(),
                    error.divergence(),
                    100 * error.sameChoice(),
                    sample.length);
        }
    }

    private int[] sample(CausalLM merged) {
        int length = Math.min(SAMPLE_TOKENS, merged.network().maxPositions());
        Path file = text;
        if (file == null) {
            int words = (int) merged.network().inputEmbedding().count();
            return new SplittableRandom(0).ints(length, 0, words).toArray();
        }
        int[] ids = merged.tokenizer().encode(InputFiles.text(file), true);
        if (ids.length < 1) {
            throw new UserErrorException(file + ": the text has no tokens");
        }
        return Arrays.copyOf(ids, Math.min(ids.length, length));
    }
}
