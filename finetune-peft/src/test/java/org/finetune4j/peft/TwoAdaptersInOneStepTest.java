package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.train.RunConfiguration;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.steps.SourceState;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;
import org.finetune4j.train.steps.StepOutcome;
import org.finetune4j.train.steps.StepSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A policy and a value function are two adapters on one base: each of a step's batches goes through its own. */
class TwoAdaptersInOneStepTest {

    private static final long STEPS = 5;

    @TempDir
    Path directory;

    /** Two adapters as one method: the first lies in the directory itself, the other in one of its own. */
    private record Both(AdapterSet adapters, List<String> names) implements AttachedStrategy {

        @Override
        public Collection<Parameter> trainableParameters() {
            List<Parameter> all = new ArrayList<>();
            names.forEach(name -> all.addAll(adapters.get(name).trainableParameters()));
            return all;
        }

        @Override
        public void save(Path target) {
            names.forEach(name -> adapters.get(name).save(target.resolve(name)));
        }

        @Override
        public void restore(Path source) {
            names.forEach(name -> adapters.get(name).restore(source.resolve(name)));
        }

        @Override
        public void close() {
            adapters.close();
        }
    }

    /** One batch a step for each of the adapters, each with an objective of its own. */
    private record Steps(AdapterSet adapters, List<String> names, long[] done) implements StepSource {

        private static final SyntheticSamples SAMPLES = new SyntheticSamples(12, 150, 3);

        @Override
        public OptionalLong totalSteps() {
            return OptionalLong.of(STEPS);
        }

        @Override
        public double epoch() {
            return (double) done[0] / STEPS;
        }

        @Override
        public double totalEpochs() {
            return 1;
        }

        @Override
        public String fingerprint() {
            return "one batch each for " + names;
        }

        @Override
        public Optional<StepBatches> next() {
            return Optional.of(new StepBatches(names.stream().map(this::batch).toList()));
        }

        private StepBatch batch(String name) {
            int first = (int) done[0] * 2 + (name.equals("policy") ? 0 : 1);
            Batch batch = new Collator(0, 1).collate(List.of(SAMPLES.get(first % SAMPLES.size())));
            Objective objective = new CrossEntropy(new LossOptions(name.equals("policy") ? 0 : 0.1, 0));
            return new StepBatch(batch, objective, 1, () -> adapters.activate(name));
        }

        @Override
        public void updated(StepOutcome outcome) {
            done[0]++;
        }

        @Override
        public SourceState state() {
            return SourceState.empty().with("done", done[0]);
        }

        @Override
        public void restore(SourceState state) {
            done[0] = state.natural("done", STEPS);
        }
    }

    /** The adapters' weights after the run, by adapter and key. */
    private Map<String, float[]> train(TrainingArguments arguments, long stopAfter, String... names) {
        try (CausalLM model = TinyModels.load("llama", LoadOptions.defaults());
                Both both = new Both(AdapterSet.of(model), List.of(names))) {
            for (String name : names) {
                try (RandomGenerator.Use use =
                        RandomGenerator.of(name.hashCode()).use()) {
                    both.adapters.add(
                            name,
                            Lora.builder().rank(4).targetModules("all-linear").build());
                }
            }
            Trainer[] trainer = new Trainer[1];
            TrainingListener stop = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    if (metrics.step() == stopAfter) {
                        trainer[0].requestStop();
                    }
                }
            };
            trainer[0] = new Trainer(RunConfiguration.of(
                            model, both, arguments, setup -> new Steps(both.adapters, both.names, new long[1]))
                    .withListeners(List.of(stop)));
            TrainingSummary summary = trainer[0].train();
            assertEquals(Math.min(stopAfter, STEPS), summary.steps());
            Map<String, float[]> weights = new HashMap<>();
            for (String name : names) {
                Adapter adapter = both.adapters.get(name);
                adapter.parametersByKey()
                        .forEach((key, parameter) -> weights.put(
                                name + " " + key, parameter.value().detach().toFloatArray()));
            }
            return weights;
        }
    }

    private static TrainingArgumentsBuilder arguments() {
        // What is clipped is the norm of all gradients together: without it neither adapter knows of the other.
        return TrainingArguments.builder().learningRate(1e-2).maxGradNorm(0);
    }

    @Test
    void eachIsTrainedByItsOwnBatchesAsIfItWereAlone() {
        Map<String, float[]> together = train(arguments().build(), Long.MAX_VALUE, "policy", "value");
        Map<String, float[]> alone = new HashMap<>(train(arguments().build(), Long.MAX_VALUE, "policy"));
        alone.putAll(train(arguments().build(), Long.MAX_VALUE, "value"));
        assertEquals(alone.keySet(), together.keySet());
        alone.forEach((key, weights) -> assertArrayEquals(weights, together.get(key), key));
        assertTrue(together.entrySet().stream()
                .filter(entry -> entry.getKey().contains("lora_B"))
                .noneMatch(entry -> Arrays.equals(entry.getValue(), new float[entry.getValue().length])));
    }

    @Test
    void statesOfBothAreKeptThoughTheirParametersHaveTheSameNames() throws IOException {
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        TrainingArgumentsBuilder arguments = arguments().emaDecay(0.9).saveSteps(1);
        Map<String, float[]> whole =
                train(arguments.outputDirectory(straight).build(), Long.MAX_VALUE, "policy", "value");
        train(arguments.outputDirectory(stopped).build(), 2, "policy", "value");
        Map<String, float[]> resumed = train(arguments.resume(true).build(), Long.MAX_VALUE, "policy", "value");
        whole.forEach((key, weights) -> assertArrayEquals(weights, resumed.get(key), key));
        assertArrayEquals(
                Files.readAllBytes(straight.resolve("checkpoint-5/training_state.safetensors")),
                Files.readAllBytes(stopped.resolve("checkpoint-5/training_state.safetensors")));
        String names = Files.readString(straight.resolve("checkpoint-5/checkpoint.json"));
        assertTrue(names.contains("lora_A.weight#2"), "the second adapter's states have names of their own");
        assertFalse(names.contains("#3"));
    }
}
