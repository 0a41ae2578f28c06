package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.GatheredShards;
import org.finetune4j.nn.InMemoryRanks;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ShardGatherer;
import org.finetune4j.nn.ShardedValue;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.optimizer.MasterWeights;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.finetune4j.train.optimizer.Sgd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A model whose ranks hold their parts of it is the model that one process holds. */
class ShardedModelTest {

    private static final int STEPS = 3;

    /** What one process or rank ends with: losses of all steps, values and bytes by name. */
    private record Outcome(List<Double> losses, Map<String, float[]> values, long bytes, long gathered) {}

    private static Batch batch(int number) {
        SyntheticSamples samples = new SyntheticSamples(8, 199, 2);
        return new Collator(0, 1).collate(List.of(samples.get(2 * number), samples.get(2 * number + 1)));
    }

    private static CausalLM load(String name) {
        return load(name, DType.FLOAT32);
    }

    private static CausalLM load(String name, DType dtype) {
        return TinyModels.load(name, new LoadOptions(Device.CPU, dtype).withComputeDType(dtype));
    }

    /** Trains on the batches of all ranks, one after the other in each step. */
    private static Outcome dense(String name, DType dtype, int ranks, int everyLayers) {
        try (CausalLM model = load(name, dtype);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Backpropagation pass = new Backpropagation(model, new GradientCheckpointing(everyLayers));
            return train(model, full, pass, IntStream.range(0, ranks).toArray(), 0);
        }
    }

    private static Outcome sharded(String name, DType dtype, ShardGatherer gatherer, int everyLayers) {
        try (CausalLM model = load(name, dtype);
                GatheredShards shards = new GatheredShards()) {
            model.network().allParameters().forEach(parameter -> parameter.shard(gatherer));
            try (AttachedStrategy full = new FullFineTuning().attach(model)) {
                Backpropagation pass = new Backpropagation(model, new GradientCheckpointing(everyLayers)).with(shards);
                Outcome outcome = train(model, full, pass, new int[] {gatherer.rank()}, 0);
                return new Outcome(outcome.losses, outcome.values, outcome.bytes, shards.bytes());
            }
        }
    }

    private static Outcome train(
            CausalLM model, AttachedStrategy full, Backpropagation pass, int[] batches, long gathered) {
        List<Double> losses = new ArrayList<>();
        OptimizerOptions options = new OptimizerOptions("sgd", 0.9, 0.999, 1e-8, 0.9, Map.of());
        try (Optimizer optimizer = MasterWeights.optimizer(
                new Sgd.Provider(), ParameterGroup.all(full.trainableParameters(), 0.1), Set.of(), options)) {
            for (int step = 0; step < STEPS; step++) {
                double loss = 0;
                for (int number : batches) {
                    Batch batch = batch(number);
                    loss += pass.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 0.01));
                }
                losses.add(loss);
                optimizer.step(1e-2);
                optimizer.clearGradients();
            }
        }
        Map<String, float[]> values = new LinkedHashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            model.network()
                    .namedParameters()
                    .forEach((name, parameter) -> values.put(
                            name,
                            parameter
                                    .as(parameter.dtype())
                                    .detach()
                                    .contiguous()
                                    .toFloatArray()));
        }
        long bytes = model.network().allParameters().stream()
                .mapToLong(Parameter::bytes)
                .sum();
        return new Outcome(losses, values, bytes, gathered);
    }

    @ParameterizedTest(name = "{0} in {1} on {2} ranks, checkpointed every {3} layers")
    @CsvSource({
        "llama, FLOAT32, 2, 0",
        "gpt2, FLOAT32, 2, 0",
        "opt, FLOAT32, 3, 0",
        "mixtral, FLOAT32, 2, 0",
        "gpt_oss, FLOAT32, 3, 1",
        "llama-of-8-layers, FLOAT32, 2, 0",
        "gpt2, FLOAT32, 2, 1",
        "llama-of-8-layers, FLOAT32, 2, 3",
        "llama, BFLOAT16, 2, 0"
    })
    void trainsAsADenseOne(String name, DType dtype, int ranks, int everyLayers) {
        Outcome dense = dense(name, dtype, ranks, everyLayers);
        List<Outcome> outcomes = new InMemoryRanks(ranks).run(gatherer -> sharded(name, dtype, gatherer, everyLayers));
        for (int step = 0; step < STEPS; step++) {
            int at = step;
            assertEquals(
                    dense.losses.get(step),
                    outcomes.stream().mapToDouble(each -> each.losses.get(at)).sum(),
                    1e-6 * dense.losses.get(step));
        }
        for (Outcome outcome : outcomes) {
            assertEquals(dense.values.keySet(), outcome.values.keySet());
            dense.values.forEach((path, values) -> assertArrayEquals(values, outcome.values.get(path), 2e-5f, path));
        }
        long all = outcomes.stream().mapToLong(Outcome::bytes).sum();
        long filled = all - dense.bytes;
        assertTrue(filled >= 0 && filled < 4L * ranks * dense.values.size(), "filled up with " + filled);
        outcomes.forEach(outcome -> assertEquals(all / ranks, outcome.bytes));
    }

    @Test
    void twoLayersAreGatheredAtATime() {
        List<Outcome> outcomes =
                new InMemoryRanks(2).run(gatherer -> sharded(TinyModels.DEEP, DType.FLOAT32, gatherer, 0));
        try (CausalLM model = load(TinyModels.DEEP)) {
            long layer = model.network().layers().get(0).allParameters().stream()
                    .mapToLong(Parameter::bytes)
                    .sum();
            long all = model.network().allParameters().stream()
                    .mapToLong(Parameter::bytes)
                    .sum();
            long others = all - 8 * layer;
            long gathered = outcomes.get(0).gathered;
            assertTrue(gathered >= 2 * layer + others && gathered < 2 * layer + others + 2000, gathered + " bytes");
        }
    }

    @Test
    void gradientsOfThePartsAreThoseOfTheWhole() {
        List<List<float[]>> parts = new InMemoryRanks(2).run(gatherer -> {
            try (CausalLM model = load("llama");
                    GatheredShards shards = new GatheredShards()) {
                model.network().allParameters().forEach(parameter -> parameter.shard(gatherer));
                try (AttachedStrategy full = new FullFineTuning().attach(model);
                        TensorScope scope = TensorScope.open()) {
                    Batch batch = batch(gatherer.rank());
                    new Backpropagation(model, GradientCheckpointing.none())
                            .with(shards)
                            .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 0.01));
                    List<float[]> gradients = new ArrayList<>();
                    for (Parameter parameter : full.trainableParameters()) {
                        ShardedValue value = (ShardedValue) parameter.form();
                        gradients.add(Arrays.copyOf(parameter.grad().toFloatArray(), (int) value.count()));
                    }
                    return gradients;
                }
            }
        });
        try (CausalLM model = load("llama");
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            for (int number = 0; number < 2; number++) {
                Batch batch = batch(number);
                new Backpropagation(model, GradientCheckpointing.none())
                        .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 0.01));
            }
            int at = 0;
            for (Parameter parameter : full.trainableParameters()) {
                float[] expected = parameter.grad().contiguous().toFloatArray();
                float[] first = parts.get(0).get(at);
                float[] second = parts.get(1).get(at++);
                assertEquals((expected.length + 1) / 2, first.length, parameter.name());
                float[] found = Arrays.copyOf(first, expected.length);
                System.arraycopy(second, 0, found, first.length, second.length);
                float largest = 0;
                for (float value : expected) {
                    largest = Math.max(largest, Math.abs(value));
                }
                assertArrayEquals(expected, found, 1e-6f * largest, parameter.name());
            }
        }
    }

    @Test
    void aWholeThatNobodyGatheredIsAskedForByNameInVain() {
        new InMemoryRanks(1).run(gatherer -> {
            try (CausalLM model = load("llama")) {
                Parameter weight = model.network().outputLayer().weight();
                weight.shard(gatherer);
                String message =
                        assertThrows(IllegalStateException.class, weight::value).getMessage();
                assertTrue(message.startsWith(weight.name() + " is sharded: "), message);
                return message;
            }
        });
    }
}
