package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.InputFiles;
import org.finetune4j.OutputPath;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes a model in 4 or 8 bits, as bitsandbytes would, and says what that costs. */
@Command(
        name = "quantize",
        mixinStandardHelpOptions = true,
        description = "Writes a model in 4 or 8 bits and reports the error of every layer and of the whole.")
final class QuantizeCommand implements Callable<Integer> {

    private static final int WINDOW = 256;

    @Option(
            names = "--model",
            required = true,
            paramLabel = "MODEL",
            description = "Model directory, or ORG/NAME on the hub.")
    private String model;

    @Option(names = "--output", paramLabel = "DIR", description = "Where to write the quantised model.")
    private @Nullable Path output;

    @Option(names = "--type", defaultValue = "nf4", description = "nf4, fp4 or int8 (default: ${DEFAULT-VALUE}).")
    private String type;

    @Option(names = "--double-quant", description = "Quantise the scales of 4-bit weights, too.")
    private boolean doubleQuant;

    @Option(names = "--block-size", defaultValue = "64", description = "Weights a scale (${DEFAULT-VALUE}).")
    private int blockSize;

    @Option(names = "--text", paramLabel = "FILE", description = "Text to measure the perplexity on, before and after.")
    private @Nullable Path text;

    @Option(names = "--check", description = "Only report, write nothing.")
    private boolean check;

    @Override
    public Integer call() {
        if (output == null && !check) {
            throw new UserErrorException("name a directory with --output, or ask for the report alone with --check");
        }
        Quantization quantization = Quantization.of(QuantizationType.named(type, "--type"))
                .withBlockSize(blockSize)
                .withDoubleQuantization(doubleQuant);
        Path directory = HubModels.directory(model);
        if (output != null) {
            OutputPath.requireOther(output, List.of(directory));
        }
        LoadOptions options = LoadOptions.defaults();
        try (CausalLM plain = CausalLM.load(directory, options);
                CausalLM quantised = CausalLM.load(directory, options.withCompression(quantization.compression()))) {
            report(plain, quantised);
            Path corpus = text;
            if (corpus != null) {
                int[] ids = plain.tokenizer().encode(read(corpus), true);
                System.out.printf(
                        Locale.ROOT,
                        "perplexity before %.4f, after %.4f%n",
                        perplexity(plain, ids),
                        perplexity(quantised, ids));
            }
            if (output != null && !check) {
                quantised.save(output);
                System.out.println(output);
            }
        }
        return 0;
    }

    private static String read(Path file) {
        return InputFiles.text(file);
    }

    /** One line a weight: what its error is in parts of its own size, and what it takes. */
    private static void report(CausalLM plain, CausalLM quantised) {
        Map<String, Parameter> before = plain.network().namedParameters();
        System.out.println("relative error  bytes a weight  weight");
        quantised.network().namedParameters().forEach((name, parameter) -> {
            Parameter original = before.get(name);
            if (parameter.compressed() == null || original == null || original.compressed() != null) {
                return;
            }
            try (TensorScope scope = TensorScope.open()) {
                Tensor exact = original.as(DType.FLOAT32);
                Tensor error = parameter.as(DType.FLOAT32).sub(exact);
                System.out.printf(
                        Locale.ROOT,
                        "%14.5f  %14.4f  %s%n",
                        error.norm().item() / Math.max(exact.norm().item(), Double.MIN_NORMAL),
                        (double) parameter.bytes() / parameter.numel(),
                        name);
            }
        });
        long all = quantised.network().allParameters().stream()
                .mapToLong(Parameter::bytes)
                .sum();
        long plainBytes = before.values().stream().mapToLong(Parameter::bytes).sum();
        System.out.printf(Locale.ROOT, "all weights: %,d bytes, before %,d%n", all, plainBytes);
    }

    /** The exponential of the mean loss over windows of the text. */
    private static double perplexity(CausalLM model, int[] ids) {
        Backpropagation evaluation = new Backpropagation(model, GradientCheckpointing.none());
        int window = Math.min(WINDOW, model.network().maxPositions());
        double loss = 0;
        long tokens = 0;
        for (int start = 0; start + 1 < ids.length; start += window) {
            int[] part = Arrays.copyOfRange(ids, start, Math.min(ids.length, start + window));
            if (part.length < 2) {
                break;
            }
            byte[] mask = new byte[part.length];
            Arrays.fill(mask, (byte) 1);
            Batch batch = new Batch(1, part.length, part, mask, part);
            loss += evaluation.evaluate(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
            tokens += part.length - 1;
        }
        if (tokens == 0) {
            throw new UserErrorException("the text has fewer than two tokens");
        }
        return Math.exp(loss / tokens);
    }
}
