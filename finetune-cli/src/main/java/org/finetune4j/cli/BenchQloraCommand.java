package org.finetune4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.memory.ProcessMemory;
import org.finetune4j.train.optimizer.AdamW;
import org.finetune4j.train.optimizer.ParameterGroup;
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

    @Override
    public Integer call() throws Exception {
        if (steps < 1 || batch < 1 || seq < 2 || rank < 1) {
            throw new UserErrorException("bench qlora needs --steps 1, --batch 1, --seq 2 and --rank 1 at least");
        }
        Quantization quantization =
                Quantization.of(QuantizationType.named(type, "--type")).withDoubleQuantization(!type.equals("int8"));
        long start = System.nanoTime();
        LoadOptions options = LoadOptions.defaults().withCompression(quantization.compression());
        try (CausalLM loaded = CausalLM.load(HubModels.directory(model), options);
                AttachedStrategy attached = Lora.builder()
                        .rank(rank)
                        .alpha(rank)
                        .targetModules("all-linear")
                        .build()
                        .attach(loaded)) {
            ObjectNode report = new ObjectMapper().createObjectNode();
            report.put("load_s", since(start));
            report.put("loaded_peak_mb", ProcessMemory.peakMegabytes());
            report.put(
                    "weights_mb",
                    loaded.network().allParameters().stream()
                                    .mapToLong(Parameter::bytes)
                                    .sum()
                            >> 20);
            System.out.println(report);
            train(loaded, attached);
        }
        return 0;
    }

    private void train(CausalLM loaded, AttachedStrategy attached) {
        List<Parameter> trainable = List.copyOf(attached.trainableParameters());
        Batch data = randomBatch(loaded.network().inputEmbedding().count());
        try (AdamW optimizer = new AdamW(ParameterGroup.all(trainable, 0), 0.9, 0.999, 1e-8)) {
            Backpropagation backpropagation = new Backpropagation(loaded, GradientCheckpointing.every(1));
            for (int step = 1; step <= steps; step++) {
                long start = System.nanoTime();
                double loss = backpropagation.run(
                        data.modelInputs(), LanguageModelLoss.of(loaded.network(), data, 1.0 / data.labelledTokens()));
                optimizer.step(1e-4);
                optimizer.clearGradients();
                ObjectNode line = new ObjectMapper().createObjectNode();
                line.put("step", step);
                line.put("loss", loss);
                line.put("seconds", since(start));
                line.put("tokens_per_s", batch * seq / since(start));
                line.put("buffers_mb", loaded.network().weightBuffers().bytes() >> 20);
                line.put("resident_mb", ProcessMemory.residentBytes() >> 20);
                line.put("peak_mb", ProcessMemory.peakMegabytes());
                System.out.println(line);
            }
        }
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
