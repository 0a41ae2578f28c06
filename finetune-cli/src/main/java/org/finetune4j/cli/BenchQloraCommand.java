package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.memory.ProcessMemory;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times QLoRA on a model directory: quantised while it is read, every layer checkpointed, random tokens. */
@Command(
        name = "qlora",
        mixinStandardHelpOptions = true,
        description = "Times QLoRA steps on a model: quantised base, LoRA on all linear layers, random tokens.")
final class BenchQloraCommand implements Callable<Integer> {

    @Option(
            names = "--model",
            required = true,
            paramLabel = "MODEL",
            description = "Model directory, or ORG/NAME on the hub.")
    private String model;

    @Option(names = "--type", defaultValue = "nf4", description = "nf4, fp4 or int8 (default: ${DEFAULT-VALUE}).")
    private String type;

    @Option(names = "--rank", defaultValue = "16", description = "LoRA's rank (default: ${DEFAULT-VALUE}).")
    private int rank;

    @Option(names = "--batch", defaultValue = "1", description = "Sequences (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--seq", defaultValue = "512", description = "Tokens a sequence (default: ${DEFAULT-VALUE}).")
    private int seq;

    @Option(names = "--steps", defaultValue = "3", description = "Steps (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(names = "--optim", defaultValue = "adamw", description = "Optimizer (default: ${DEFAULT-VALUE}).")
    private String optim;

    @Option(names = "--offload", paramLabel = "DIR", description = "Keep checkpointed activations in files there.")
    private @Nullable Path offload;

    @Option(
            names = "--limit-gb",
            paramLabel = "GB",
            description = "Exit code 1 when the process ever takes more than so many 10^9 bytes.")
    private @Nullable Double limitGb;

    @Override
    public Integer call() throws Exception {
        if (steps < 1 || batch < 1 || seq < 2 || rank < 1) {
            throw new UserErrorException("bench qlora needs --steps 1, --batch 1, --seq 2 and --rank 1 at least");
        }
        Quantization quantization =
                Quantization.of(QuantizationType.named(type, "--type")).withDoubleQuantization(!type.equals("int8"));
        long start = System.nanoTime();
        LoadOptions options = LoadOptions.defaults().withCompression(quantization.compression());
        try (MatrixProducts.Mode products = MatrixProducts.by(MatrixProducts.Choice.ONE_DNN_FOR_MATRICES);
                CausalLM loaded = CausalLM.load(HubModels.directory(model), options);
                AttachedStrategy attached = Lora.builder()
                        .rank(rank)
                        .alpha(rank)
                        .targetModules("all-linear")
                        .build()
                        .attach(loaded)) {
            ObjectNode report = Json.object();
            report.put("load_s", since(start));
            report.put("loaded_peak_mb", ProcessMemory.peakMegabytes());
            report.put(
                    "weights_mb",
                    loaded.network().allParameters().stream()
                                    .mapToLong(Parameter::bytes)
                                    .sum()
                            >> 20);
            System.out.println(report);
            double best = train(loaded, attached);
            long peak = ProcessMemory.peakMegabytes();
            System.out.println(compare(loaded, attached, best));
            return isWithinLimit(peak) ? 0 : 1;
        }
    }

    /** The fastest step in seconds. */
    private double train(CausalLM loaded, AttachedStrategy attached) {
        List<Parameter> trainable = List.copyOf(attached.trainableParameters());
        Batch data = randomBatch(loaded.network().inputEmbedding().count());
        OptimizerOptions options = new OptimizerOptions(optim, 0.9, 0.999, 1e-8, 0, Map.of());
        double best = Double.MAX_VALUE;
        try (Optimizer optimizer =
                OptimizerProvider.named(optim).create(ParameterGroup.all(trainable, 0), Set.of(), options)) {
            Backpropagation backpropagation = new Backpropagation(loaded, new GradientCheckpointing(1, offload));
            for (int step = 1; step <= steps; step++) {
                long start = System.nanoTime();
                double loss = backpropagation.run(
                        data.modelInputs(), LanguageModelLoss.of(loaded.network(), data, 1.0 / data.labelledTokens()));
                optimizer.step(1e-4);
                optimizer.clearGradients();
                best = Math.min(best, since(start));
                ObjectNode line = Json.object();
                line.put("step", step);
                line.put("loss", loss);
                line.put("seconds", since(start));
                line.put("tokens_per_s", hundredths(batch * seq / since(start)));
                line.put("buffers_mb", loaded.network().weightBuffers().bytes() >> 20);
                line.put("resident_mb", ProcessMemory.residentBytes() >> 20);
                line.put("peak_mb", ProcessMemory.peakMegabytes());
                System.out.println(line);
            }
        }
        return best;
    }

    /** The fastest step beside the products of the same shapes, measured now. */
    private ObjectNode compare(CausalLM loaded, AttachedStrategy attached, double seconds) {
        double limit = FloatingPointLimit.measure(loaded.network(), batch * seq);
        long perToken = FloatingPointLimit.Work.of(loaded.network(), attached.trainableParameters(), seq)
                .perToken();
        double tokens = batch * seq / seconds;
        ObjectNode report = Json.object();
        report.put("threads", Torch.threads());
        report.put("gflop_per_token", Math.round(perToken / 1e6) / 1e3);
        report.put("gemm_gflop_per_s", Math.round(limit / 1e8) / 10.0);
        report.put("limit_tokens_per_s", hundredths(limit / perToken));
        report.put("tokens_per_s", hundredths(tokens));
        report.put("share_of_limit", hundredths(tokens * perToken / limit));
        return report;
    }

    private boolean isWithinLimit(long peakMegabytes) {
        Double limit = limitGb;
        if (limit == null) {
            return true;
        }
        double peak = (peakMegabytes + 1) * (double) (1 << 20) / 1e9;
        boolean within = peakMegabytes >= 0 && peak <= limit;
        System.out.printf(
                Locale.ROOT, "peak %.2f GB, limit %.2f GB: %s%n", peak, limit, within ? "within" : "NOT within");
        return within;
    }

    private static double hundredths(double value) {
        return Math.round(value * 100) / 100.0;
    }

    private static double since(long start) {
        return Math.round((System.nanoTime() - start) / 1e7) / 100.0;
    }

    private Batch randomBatch(long vocabulary) {
        int[] ids = new SplittableRandom(0)
                .ints((long) batch * seq, 0, (int) vocabulary)
                .toArray();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        return new Batch(batch, seq, ids, mask, ids);
    }
}
