package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.data.Collator;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.RunConfiguration;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.objective.CrossEntropy;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A base whose weights lie in files and are there while their segment works: whatever a run does with the model, in steps,
 * evaluations and answers, finds them, and nothing else has more than one segment's weights in memory.
 */
class OffloadedBaseTest {

    @TempDir
    Path directory;

    /** Frozen weights in files; in their place numbers that are none, so that nobody can use them unseen. */
    private static final class OffloadedWeights implements Residency, AutoCloseable {

        private record Stored(Tensor mapping, Tensor values) {}

        private final Path directory;
        private final Map<Parameter, Stored> files = new IdentityHashMap<>();
        private final Map<Parameter, Integer> uses = new IdentityHashMap<>();
        private int brought;
        private int most;

        OffloadedWeights(Module network, Path directory) {
            this.directory = directory;
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                network.allParameters().stream()
                        .filter(parameter -> !parameter.isTrainable())
                        .forEach(this::store);
            }
        }

        private void store(Parameter parameter) {
            Tensor value = parameter.value();
            Path file = directory.resolve("weight-" + files.size());
            Tensor mapping = Tensors.mappedNew(
                            file, value.numel() * value.dtype().itemSize())
                    .unscoped();
            Tensor values = mapping.viewAs(value.dtype()).view(value.shape()).unscoped();
            values.copyInPlace(value);
            files.put(parameter, new Stored(mapping, values));
            letGo(parameter);
        }

        private static void letGo(Parameter parameter) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor nothing = Tensors.full(Double.NaN, parameter.dtype(), parameter.device(), 1);
                parameter.replace(nothing.expand(parameter.shape()));
            }
        }

        private void enter(Module segment) {
            for (Parameter parameter : segment.allParameters()) {
                Stored stored = files.get(parameter);
                if (stored != null && uses.merge(parameter, 1, Integer::sum) == 1) {
                    brought++;
                    parameter.replace(stored.values.copy());
                }
            }
            most = Math.max(most, uses.size());
        }

        private void leave(Module segment) {
            for (Parameter parameter : segment.allParameters()) {
                if (files.containsKey(parameter)
                        && uses.computeIfPresent(parameter, (key, count) -> count == 1 ? null : count - 1) == null) {
                    letGo(parameter);
                }
            }
        }

        @Override
        public void beforeForward(Module segment) {
            enter(segment);
        }

        @Override
        public void afterForward(Module segment) {
            leave(segment);
        }

        @Override
        public void beforeBackward(Module segment) {
            enter(segment);
        }

        @Override
        public void afterBackward(Module segment) {
            leave(segment);
        }

        @Override
        public void close() {
            files.forEach((parameter, stored) -> {
                parameter.replace(stored.values.copy());
                stored.values.close();
                stored.mapping.close();
            });
        }
    }

    /** What a run showed, and what it left. */
    private record Run(List<Double> losses, List<int[]> answers, Map<String, float[]> adapter) {}

    private Run train(String name, int everyLayers, boolean offloaded) {
        Torch.seed(3);
        List<Double> losses = new ArrayList<>();
        List<int[]> answers = new ArrayList<>();
        Map<String, float[]> trained = new TreeMap<>();
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults());
                Adapter lora = Lora.builder()
                        .rank(4)
                        .dropout(0.1)
                        .targetModules("all-linear")
                        .build()
                        .attach(model);
                OffloadedWeights weights = offloaded ? new OffloadedWeights(model.network(), directory) : null) {
            TrainingListener recorder = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    losses.add(metrics.loss());
                    answers.addAll(TextGenerator.of(model)
                            .generate(
                                    List.of(new int[] {5, 9, 17}),
                                    GenerationOptions.greedy(6),
                                    (sequence, token) -> {}));
                }

                @Override
                public void onEvaluation(EvaluationMetrics metrics) {
                    losses.add(metrics.loss());
                }
            };
            TrainingArguments arguments = TrainingArguments.builder()
                    .batchSize(2)
                    .gradientAccumulationSteps(2)
                    .maxSteps(3)
                    .learningRate(2e-2)
                    .evaluation(StepInterval.every(1))
                    .gradientCheckpointingLayers(everyLayers)
                    .build();
            RunConfiguration run = RunConfiguration.over(
                            model,
                            lora,
                            new CrossEntropy(arguments.loss()),
                            arguments,
                            new SyntheticSamples(12, 150, 3),
                            new SyntheticSamples(3, 150, 7),
                            new Collator(0, 1))
                    .withListeners(List.of(recorder))
                    .withResidencies(weights == null ? List.of() : List.of(weights));
            new Trainer(run).train();
            if (weights != null) {
                assertTrue(weights.uses.isEmpty(), "everything was let go");
                int largest = model.network().layers().stream()
                        .mapToInt(layer -> layer.allParameters().size())
                        .max()
                        .orElseThrow();
                assertTrue(weights.brought > 3 * weights.files.size());
                assertTrue(
                        weights.most <= Math.max(largest, 4),
                        weights.most + " weights at once, a layer has " + largest);
                try (TensorScope scope = TensorScope.open()) {
                    assertFalse(model.logits(ModelInputs.of(5, 9)).isFinite(), "after the run nobody brings them");
                }
            }
            lora.parametersByKey()
                    .forEach((key, parameter) ->
                            trained.put(key, parameter.value().detach().toFloatArray()));
        }
        return new Run(losses, answers, trained);
    }

    @ParameterizedTest(name = "{0}, checkpointed {1}")
    @CsvSource({"llama, 0", "llama, 1", "gpt2, 0", "gpt2, 2", "mixtral, 1", "llama-of-8-layers, 3"})
    void aRunIsTheSameToTheLastBit(String name, int everyLayers) {
        Run expected = train(name, everyLayers, false);
        Run actual = train(name, everyLayers, true);
        assertEquals(7, expected.losses.size(), "three steps, four evaluations");
        assertEquals(expected.losses, actual.losses);
        assertEquals(expected.adapter.keySet(), actual.adapter.keySet());
        expected.adapter.forEach((key, values) -> assertArrayEquals(values, assertValue(actual.adapter, key), key));
        for (int i = 0; i < expected.answers.size(); i++) {
            assertArrayEquals(expected.answers.get(i), actual.answers.get(i));
        }
    }

    private static float[] assertValue(Map<String, float[]> values, String key) {
        float[] found = values.get(key);
        assertNotNull(found, key);
        return found;
    }
}
