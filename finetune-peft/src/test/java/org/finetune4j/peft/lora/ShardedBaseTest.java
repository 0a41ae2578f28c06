package org.finetune4j.peft.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.GatheredShards;
import org.finetune4j.nn.InMemoryRanks;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An adapter on a base whose parts lie in several processes is the adapter on the base. */
class ShardedBaseTest {

    private static final int[] IDS = {5, 6, 7, 8, 9, 10, 11, 12};
    private static final Batch BATCH = new Batch(2, 4, IDS, new byte[] {1, 1, 1, 1, 1, 1, 1, 1}, IDS);

    /** What the adapter learns from a batch, and what the model with it says. */
    private record Outcome(Map<String, float[]> gradients, float[] logits, float[] merged) {}

    private static Outcome outcome(CausalLM model, Residency residency, int everyLayers) {
        try (TensorScope scope = TensorScope.open();
                RandomGenerator.Use use = RandomGenerator.of(3).use();
                AttachedStrategy lora = Lora.builder()
                        .rank(4)
                        .targetModules("all-linear")
                        .initialization(LoraInitialization.RANDOM)
                        .build()
                        .attach(model)) {
            new Backpropagation(model, new GradientCheckpointing(everyLayers))
                    .with(residency)
                    .run(BATCH.modelInputs(), LanguageModelLoss.of(model.network(), BATCH, 0.1));
            Map<String, float[]> gradients = new TreeMap<>();
            for (Parameter parameter : lora.trainableParameters()) {
                gradients.put(parameter.name(), parameter.grad().contiguous().toFloatArray());
            }
            float[] logits = model.logits(BATCH.modelInputs()).toFloatArray();
            LoraAdapter adapter = (LoraAdapter) lora;
            adapter.merge();
            float[] merged = model.logits(BATCH.modelInputs()).toFloatArray();
            adapter.unmerge();
            return new Outcome(gradients, logits, merged);
        }
    }

    @ParameterizedTest(name = "{0}, checkpointed every {1} layers")
    @CsvSource({"llama, 0", "llama-of-8-layers, 2", "gpt2, 1"})
    void learnsAnswersAndMergesTheSame(String name, int everyLayers) {
        Outcome dense;
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults())) {
            dense = outcome(model, new Residency() {}, everyLayers);
        }
        List<Outcome> outcomes = new InMemoryRanks(2).run(gatherer -> {
            try (CausalLM model = TinyModels.load(name, LoadOptions.defaults());
                    GatheredShards shards = new GatheredShards()) {
                model.network().allParameters().forEach(parameter -> parameter.shard(gatherer));
                return outcome(model, shards, everyLayers);
            }
        });
        assertFalse(dense.gradients.isEmpty());
        for (Outcome outcome : outcomes) {
            assertEquals(dense.gradients.keySet(), outcome.gradients.keySet());
            dense.gradients.forEach((path, values) -> assertArrayEquals(values, outcome.gradients.get(path), path));
            assertArrayEquals(dense.logits, outcome.logits);
            assertArrayEquals(dense.merged, outcome.merged);
        }
    }
}
