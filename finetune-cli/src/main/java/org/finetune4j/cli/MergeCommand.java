package org.finetune4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.quant.Requantization;
import org.finetune4j.quant.Requantization.OutputError;
import org.finetune4j.quant.Requantization.WeightError;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Folds an adapter into its base model. A quantised base becomes a plain model, unless its bits are asked for again. */
@Command(
        name = "merge",
        mixinStandardHelpOptions = true,
        description = "Folds an adapter into its base model and writes the model.")
final class MergeCommand implements Callable<Integer> {

    private static final int SAMPLE_TOKENS = 128;

    @Mixin
    private ModelOptions model;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the merged model.")
    private Path output;

    @Option(
            names = "--requantize",
            description = "Write a quantised base in its bits again, and report the error that this makes.")
    private boolean requantize;

    @Option(
            names = "--text",
            paramLabel = "FILE",
            description = "Text to measure that error on; random tokens otherwise.")
    private @Nullable Path text;

    @Override
    public Integer call() {
        if (text != null && !requantize) {
            throw new UserErrorException("--text measures the error of --requantize, which is missing");
        }
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, false)) {
            if (adapter == null) {
                throw new UserErrorException("there is nothing to merge: name an adapter with --adapter");
            }
            boolean quantised = loaded.network().namedParameters().values().stream()
                    .anyMatch(parameter -> parameter.compressed() != null);
            if (requantize && !quantised) {
                throw new UserErrorException("--requantize: the base model is not quantised, its merged weights stay"
                        + " plain: quantize the merged model");
            }
            adapter.merge();
            if (requantize) {
                requantize(loaded);
                loaded.save(output);
            } else {
                ModelWriter.of(loaded).decompressed().write(output);
                if (quantised) {
                    System.err.println("the base is quantised: the merged model is written in plain "
                            + loaded.config().storageDType().torchName());
                }
            }
            System.out.println(output);
        }
        return 0;
    }

    private void requantize(CausalLM loaded) {
        try (TensorScope scope = TensorScope.open()) {
            int[] sample = sample(loaded);
            Tensor before = Requantization.scores(loaded, sample);
            List<WeightError> errors = Requantization.apply(loaded);
            System.out.println("relative error  weight");
            errors.forEach(
                    error -> System.out.printf(Locale.ROOT, "%14.5f  %s%n", error.relativeError(), error.weight()));
            OutputError error = Requantization.compare(before, Requantization.scores(loaded, sample));
            System.out.printf(
                    Locale.ROOT,
                    "error of the scores %.5f, divergence %.5f nats a token, same choice %.1f%% of %d tokens%n",
                    error.relativeError(),
                    error.divergence(),
                    100 * error.sameChoice(),
                    sample.length);
        }
    }

    private int[] sample(CausalLM loaded) {
        int length = Math.min(SAMPLE_TOKENS, loaded.network().maxPositions());
        Path file = text;
        if (file == null) {
            int words = (int) loaded.network().inputEmbedding().count();
            return new SplittableRandom(0).ints(length, 0, words).toArray();
        }
        try {
            int[] ids = loaded.tokenizer().encode(Files.readString(file), true);
            if (ids.length < 1) {
                throw new UserErrorException(file + ": the text has no tokens");
            }
            return Arrays.copyOf(ids, Math.min(ids.length, length));
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
    }
}
