package org.finetune4j.dist.zero;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.ShardingOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.group.TrainingGroup;

/** The same training by one process and by several ranks, each a thread with a model of its own. */
final class RanksTraining {

    /** What a training came to. */
    record Outcome(List<StepMetrics> steps, Map<String, float[]> weights) {

        /** The same losses, norms and weights to five digits. */
        void requireSame(Outcome other) {
            assertEquals(steps.size(), other.steps.size());
            for (int i = 0; i < steps.size(); i++) {
                near(
                        "loss of step " + (i + 1),
                        steps.get(i).loss(),
                        other.steps.get(i).loss());
                near(
                        "norm of step " + (i + 1),
                        steps.get(i).gradientNorm(),
                        other.steps.get(i).gradientNorm());
                assertEquals(steps.get(i).tokens(), other.steps.get(i).tokens());
            }
            requireSameWeights(other);
        }

        void requireSameWeights(Outcome other) {
            assertEquals(weights.keySet(), other.weights.keySet());
            weights.forEach((name, expected) -> {
                float[] found = other.weights.get(name);
                double difference = 0;
                double size = 0;
                for (int i = 0; i < expected.length; i++) {
                    difference += Math.pow((double) expected[i] - found[i], 2);
                    size += Math.pow(expected[i], 2);
                }
                assertTrue(
                        Math.sqrt(difference) <= 1e-5 * Math.sqrt(size) + 1e-9,
                        name + " differs by " + Math.sqrt(difference / size));
            });
        }

        private static void near(String what, double expected, double found) {
            assertEquals(expected, found, 1e-5 * Math.abs(expected), what);
        }
    }

    private final String model;
    private final String method;
    private boolean expertBalance;
    private boolean bfloat16;
    private Runnable afterSteps = () -> {};
    private int samples = 13;
    private long bucketBytes = 1 << 16;
    private TrainingArgumentsBuilder arguments = TrainingArguments.builder()
            .batchSize(3)
            .gradientAccumulationSteps(2)
            .maxSteps(10)
            .learningRate(1e-3)
            .weightDecay(0.01);

    RanksTraining(String model, String method) {
        this.model = model;
        this.method = method;
    }

    RanksTraining with(UnaryOperator<TrainingArgumentsBuilder> change) {
        arguments = change.apply(arguments);
        return this;
    }

    /** With the balance of its experts in the loss. */
    RanksTraining withExpertBalance() {
        expertBalance = true;
        return this;
    }

    /** With weights that are stored and calculated with in bfloat16. */
    RanksTraining inBfloat16() {
        bfloat16 = true;
        return this;
    }

    /** What is done when the first rank has done a step. */
    RanksTraining afterSteps(Runnable value) {
        afterSteps = value;
        return this;
    }

    /** How many samples an epoch has. */
    RanksTraining samples(int value) {
        samples = value;
        return this;
    }

    /** How much is sent at one time. */
    RanksTraining bucketBytes(long value) {
        bucketBytes = value;
        return this;
    }

    Outcome alone() {
        return train(TrainingGroup.alone(), 0);
    }

    /** All ranks' outcomes; the first one's has the steps. */
    List<Outcome> on(int ranks, int stage) {
        return LocalRanks.call(ranks, Duration.ofMinutes(2), rank -> train(new DataParallelGroup(rank), stage));
    }

    /**
     * Keys' biases change no attention: GPT-2's have gradients of rounding errors alone, which Adam makes full steps of. In double
     * precision they are nothing, and no last digit decides about an expert, on which the balance would hang.
     */
    CausalLM load() {
        LoadOptions options = expertBalance || (model.equals("gpt2") && method.equals("full"))
                ? LoadOptions.defaults().inDoublePrecision()
                : LoadOptions.defaults();
        if (expertBalance) {
            return TinyModels.loadWithExpertBalance(model, options);
        }
        if (bfloat16) {
            return TinyModels.load(model, new LoadOptions(Device.CPU, DType.BFLOAT16).withComputeDType(DType.BFLOAT16));
        }
        return TinyModels.load(
                model,
                method.equals("qlora")
                        ? options.withCompression(
                                Quantization.of(QuantizationType.NF4).compression())
                        : options);
    }

    FineTuningStrategy strategy() {
        return method.equals("full")
                ? new FullFineTuning()
                : Lora.builder().rank(4).alpha(8).targetModules("all-linear").build();
    }

    Outcome train(TrainingGroup group, int stage) {
        List<StepMetrics> steps = new ArrayList<>();
        try (CausalLM loaded = load();
                TrainingResult result = FineTuner.of(loaded)
                        .strategy(strategy())
                        .dataset(new SyntheticSamples(samples, 199, 1))
                        .arguments(sharded(stage))
                        .group(group)
                        .messages(line -> {})
                        .listener(new TrainingListener() {
                            @Override
                            public void onStep(StepMetrics metrics) {
                                steps.add(metrics);
                                afterSteps.run();
                            }
                        })
                        .train()) {
            return new Outcome(steps, weights(result));
        }
    }

    private TrainingArguments sharded(int stage) {
        // The builder is shared by the ranks.
        synchronized (this) {
            return arguments.sharding(new ShardingOptions(stage, bucketBytes)).build();
        }
    }

    private static Map<String, float[]> weights(TrainingResult result) {
        Map<String, float[]> weights = new LinkedHashMap<>();
        for (Parameter parameter : result.strategy().trainableParameters()) {
            try (TensorScope scope = TensorScope.open()) {
                weights.put(
                        parameter.name(), parameter.as(DType.FLOAT32).detach().toFloatArray());
            }
        }
        return weights;
    }
}
