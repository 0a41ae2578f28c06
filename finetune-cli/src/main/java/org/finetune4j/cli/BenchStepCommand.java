package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.train.UpdateInBackward;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.ProcessMemory;
import org.finetune4j.train.optimizer.AdamW;
import org.finetune4j.train.optimizer.MasterWeights;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.ParameterGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times training steps of a model with random weights on random tokens, every token labelled. */
@Command(
        name = "step",
        mixinStandardHelpOptions = true,
        description = "Times one training step: random weights, random tokens, every token labelled, float32.")
final class BenchStepCommand implements Callable<Integer> {

    private static final double LEARNING_RATE = 1e-4;

    /** What trains. */
    enum Mode {
        FULL("full"),
        LORA("lora"),
        LORA_CKPT("lora-ckpt");

        private final String label;

        Mode(String label) {
            this.label = label;
        }

        @Override
        public String toString() {
            return label;
        }
    }

    @Option(names = "--shape", defaultValue = "smol135", description = "${COMPLETION-CANDIDATES}")
    private BenchShape shape;

    @Option(names = "--batch", defaultValue = "2", description = "Sequences (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--seq", defaultValue = "256", description = "Tokens a sequence (default: ${DEFAULT-VALUE}).")
    private int seq;

    @Option(names = "--mode", defaultValue = "lora", description = "full, lora or lora-ckpt")
    private String mode;

    @Option(names = "--steps", defaultValue = "6", description = "Steps, the first is not counted.")
    private int steps;

    @Option(
            names = "--packed",
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description = "Rows of one length, as packing makes them: kernels may be compiled for the shape.")
    private boolean packed;

    @Option(
            names = "--fused",
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description = "Layers that are known by formula, without autograd.")
    private boolean fused;

    @Option(
            names = "--optimizer-in-backward",
            description =
                    "Update parameters as soon as their gradients are whole, as optimizer_in_backward: true does.")
    private boolean inBackward;

    @Option(
            names = "--bf16",
            description =
                    "Round the factors of linear layers' products to bfloat16, as bf16: true does; frozen weights are held in it.")
    private boolean bf16;

    @Option(
            names = "--profile",
            description =
                    "After the steps, one more that is taken apart: products, attention, elementwise work, copies, optimizer,"
                            + " Java; each beside the least time that its work takes.")
    private boolean profile;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        Mode chosen = Arrays.stream(Mode.values())
                .filter(candidate -> candidate.label.equals(mode))
                .findFirst()
                .orElseThrow(
                        () -> new UserErrorException("--mode is '" + mode + "', expected full, lora or lora-ckpt"));
        if (steps < 2 || batch < 1 || seq < 2) {
            throw new UserErrorException("bench step needs --steps 2, --batch 1 and --seq 2 at least");
        }
        ObjectNode result = measure(chosen);
        System.out.println(json ? Json.write(result) : Json.writePretty(result));
        return 0;
    }

    private ObjectNode measure(Mode chosen) {
        FineTuningStrategy strategy = chosen == Mode.FULL
                ? new FullFineTuning()
                : Lora.builder().rank(8).alpha(16).targetModules("all-linear").build();
        GradientCheckpointing checkpointing =
                chosen == Mode.LORA_CKPT ? GradientCheckpointing.every(1) : GradientCheckpointing.none();
        long process = ProcessMemory.afterStart();
        try (MatrixProducts.Mode products = MatrixProducts.by(
                        packed ? MatrixProducts.Choice.ONE_DNN_FOR_MATRICES : MatrixProducts.Choice.MKL);
                CausalLM model = CausalLM.initialize(shape.config(), null, types(chosen), 0);
                AttachedStrategy attached = strategy.attach(model)) {
            List<Parameter> trainable = List.copyOf(attached.trainableParameters());
            Batch data = randomBatch(model.network().inputEmbedding().count());
            long base = ProcessMemory.peakMegabytes();
            List<Double> seconds = new ArrayList<>();
            ObjectNode takenApart = null;
            OptimizerOptions options = new OptimizerOptions("adamw", 0.9, 0.999, 1e-8, 0, Map.of());
            try (Optimizer optimizer = MasterWeights.optimizer(
                    new AdamW.Provider(), ParameterGroup.all(trainable, 0.01), Set.of(), options)) {
                Backpropagation backpropagation = new Backpropagation(model, checkpointing)
                        .with(fused ? SegmentFactory.installed() : SegmentFactory.autograd());
                double scale = 1.0 / data.labelledTokens();
                UpdateInBackward within =
                        inBackward ? new UpdateInBackward(model.network(), trainable, optimizer) : null;
                Backpropagation driven = within == null ? backpropagation : backpropagation.with(within);
                Runnable gradients = () -> {
                    if (within != null) {
                        within.begin(LEARNING_RATE);
                    }
                    driven.run(data.modelInputs(), LanguageModelLoss.of(model.network(), data, scale));
                };
                Runnable update = () -> {
                    if (within == null) {
                        optimizer.step(LEARNING_RATE);
                        optimizer.clearGradients();
                    } else {
                        within.finish();
                    }
                };
                for (int step = 0; step < steps; step++) {
                    long start = System.nanoTime();
                    gradients.run();
                    update.run();
                    seconds.add((System.nanoTime() - start) / 1e9);
                }
                if (profile) {
                    MachineLimits limits = new MachineLimits(
                            FloatingPointLimit.measure(model.network(), batch * seq), MachineLimits.copyRate());
                    takenApart = StepProfile.of(gradients, update, limits).json(limits);
                }
            }
            MemoryPlan plan = MemoryPlan.of(
                    model,
                    attached,
                    TrainingArguments.builder()
                            .gradientCheckpointingLayers(checkpointing.everyLayers())
                            .fusedLayers(fused)
                            .maxGradNorm(0)
                            .optimizerInBackward(inBackward)
                            .build(),
                    new MemoryPlan.Load(batch, seq),
                    process);
            ObjectNode result = result(chosen, seconds.subList(1, seconds.size()), base, plan);
            if (takenApart != null) {
                result.set("profile", takenApart);
            }
            return result;
        }
    }

    private LoadOptions types(Mode chosen) {
        LoadOptions exact = LoadOptions.defaults();
        if (!bf16) {
            return exact;
        }
        LoadOptions rounded = exact.withProductDType(MatrixProducts.isBfloat16Faster() ? DType.BFLOAT16 : null);
        return chosen == Mode.FULL ? rounded : rounded.withDType(DType.BFLOAT16);
    }

    private ObjectNode result(Mode chosen, List<Double> seconds, long base, MemoryPlan plan) {
        List<Double> sorted = seconds.stream().sorted().toList();
        double median = sorted.get(sorted.size() / 2);
        ObjectNode result = Json.object();
        result.put("shape", shape.toString());
        result.put("batch", batch);
        result.put("seq", seq);
        result.put("packed", packed);
        result.put("fused", fused);
        result.put("bf16", bf16);
        result.put("optimizer_in_backward", inBackward);
        result.put("mode", chosen.label);
        result.put("lora", chosen == Mode.FULL ? null : "finetune4j");
        result.put("median_s", rounded(median, 3));
        result.put("min_s", rounded(sorted.get(0), 3));
        result.put("tokens_per_s", rounded(batch * seq / median, 1));
        result.put("peak_mb", ProcessMemory.peakMegabytes());
        result.put("base_mb", base);
        result.put("planned_mb", plan.peak() >> 20);
        return result;
    }

    private static BigDecimal rounded(double value, int digits) {
        return BigDecimal.valueOf(value).setScale(digits, RoundingMode.HALF_UP);
    }

    private Batch randomBatch(long vocabulary) {
        SplittableRandom random = new SplittableRandom(0);
        int[] ids = random.ints((long) batch * seq, 0, (int) vocabulary).toArray();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        return new Batch(batch, seq, ids, mask, ids);
    }
}
