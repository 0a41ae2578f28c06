package org.finetune4j.peft.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.LycorisConfig;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.adapter.BottleneckAdapters;
import org.finetune4j.peft.adapter.BottleneckConfig;
import org.finetune4j.peft.adapter.BottleneckConfig.Bottleneck;
import org.finetune4j.peft.ia3.Ia3;
import org.finetune4j.peft.lntuning.LnTuning;
import org.finetune4j.peft.loha.Loha;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.peft.prompt.PromptTuning;
import org.finetune4j.peft.prompt.PromptTuningConfig;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapter directories that become one, looked at through the model. */
class AdapterMergeTest {

    @TempDir
    Path directory;

    private final TensorScope scope = TensorScope.open();
    private final CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));

    @AfterEach
    void close() {
        model.close();
        scope.close();
    }

    private static Lora.Builder lora(int rank, String... targets) {
        return Lora.builder().rank(rank).alpha(2 * rank).targetModules(targets);
    }

    /** Writes an adapter with random values. */
    private Path adapter(String name, FineTuningStrategy strategy) {
        Path written = directory.resolve(name);
        Torch.seed(name.hashCode());
        try (AttachedStrategy attached = strategy.attach(model)) {
            for (Parameter parameter : ((Adapter) attached).parametersByKey().values()) {
                Tensor value = parameter.value().detach();
                value.addInPlace(value.copy().normalInPlace(0, 0.1));
            }
            attached.export(written);
        }
        return written;
    }

    private Path merged(CombinationType type, double[] weights, Path... adapters) {
        Path output = directory.resolve("merged-" + type);
        AdapterMerge.write(
                List.of(adapters), weights, new LoraCombination(type, 0.5, MajoritySign.TOTAL, 3, 0), output);
        return output;
    }

    /** What an adapter changes in every weight, by folding it in. */
    private Map<String, Tensor> changes(Path adapter) {
        Map<String, Tensor> before = weights();
        try (Adapter loaded = AdapterFormat.load(model, adapter, false)) {
            loaded.merge();
            Map<String, Tensor> after = weights();
            after.replaceAll((path, weight) -> weight.sub(before.get(path)));
            return after;
        }
    }

    private Map<String, Tensor> weights() {
        Map<String, Tensor> weights = new TreeMap<>();
        model.network().namedModules().forEach((path, module) -> {
            if (module instanceof Linear linear) {
                weights.put(
                        path, linear.weight().value().detach().to(DType.FLOAT64).copy());
            }
        });
        return weights;
    }

    @Test
    void concatenationIsExactlyTheWeightedSumOfTheChanges() {
        Path[] adapters = {
            adapter("a", lora(4, "q_proj", "v_proj").build()),
            adapter("b", lora(2, "q_proj", "down_proj").useRslora(true).build()),
            adapter("c", lora(3, "all-linear").rankPattern(Map.of("up_proj", 5)).build())
        };
        double[] weights = {0.5, 0.2, 0.3};
        List<Map<String, Tensor>> alone =
                Arrays.stream(adapters).map(this::changes).toList();
        Map<String, Tensor> together = changes(merged(CombinationType.CAT, weights, adapters));
        together.forEach((path, change) -> {
            Tensor expected = WeightedSum.of(
                    IntStream.range(0, 3).mapToObj(i -> alone.get(i).get(path)).toList(), weights);
            assertArrayEquals(expected.toFloatArray(), change.toFloatArray(), 2e-6f, path);
        });
        assertTrue(together.get("model.layers.0.self_attn.q_proj").abs().max().item() > 0.01);
    }

    @Test
    void everyCombinationOfLoraCanBeReadAgain() {
        Path[] adapters = {
            adapter("a", lora(4, "q_proj").build()),
            adapter("b", lora(4, "q_proj").build())
        };
        for (CombinationType type : CombinationType.values()) {
            double[] weights = {0.6, 0.4};
            Map<String, Tensor> change = changes(merged(type, weights, adapters));
            assertTrue(change.get("model.layers.0.self_attn.q_proj").abs().max().item() > 1e-3, type.peftName());
        }
    }

    @Test
    void compressionOfWhatHasThatRankLosesNothing() {
        Path[] adapters = {
            adapter("a", lora(4, "q_proj").build()),
            adapter("b", lora(2, "q_proj").build())
        };
        Path exact = merged(CombinationType.CAT, new double[] {1, 0}, adapters);
        Path compressed = merged(CombinationType.SVD, new double[] {1, 0}, adapters);
        Map<String, Tensor> expected = changes(exact);
        changes(compressed)
                .forEach((path, change) ->
                        assertArrayEquals(expected.get(path).toFloatArray(), change.toFloatArray(), 1e-5f, path));
    }

    @Test
    void otherMethodsGiveTheMeanOfTheirParameters() {
        for (PeftStrategy strategy : List.of(
                Ia3.of(ModuleSelection.defaults()),
                LnTuning.of(ModuleSelection.of(new TargetModules.Regex(".*norm"))),
                PromptTuning.of(PromptTuningConfig.of(4)))) {
            checkMean(strategy);
        }
        checkMean(BottleneckAdapters.of(BottleneckConfig.pfeiffer(new Bottleneck.Size(4))));
    }

    private void checkMean(FineTuningStrategy strategy) {
        String name = strategy.method();
        Path a = adapter(name + "-a", strategy);
        Path b = adapter(name + "-b", strategy);
        Path mean = merged(CombinationType.LINEAR, new double[] {0.25, 0.75}, a, b);
        Map<String, float[]> first = values(a);
        Map<String, float[]> second = values(b);
        assertEquals(first.keySet(), second.keySet());
        assertEquals(first.keySet(), values(mean).keySet());
        values(mean).forEach((key, values) -> {
            for (int i = 0; i < values.length; i++) {
                assertTrue(Math.abs(values[i] - 0.25 * first.get(key)[i] - 0.75 * second.get(key)[i]) < 1e-6, key);
            }
        });
    }

    private Map<String, float[]> values(Path adapter) {
        Map<String, float[]> values = new HashMap<>();
        try (Adapter loaded = AdapterFormat.load(model, adapter, false)) {
            loaded.parametersByKey()
                    .forEach((key, parameter) -> values.put(
                            key, parameter.value().detach().contiguous().toFloatArray()));
        }
        return values;
    }

    @Test
    void trainedModulesAreAveragedAndNothingElse() {
        Lora.Builder builder = lora(4, "q_proj").modulesToSave(List.of("lm_head"));
        Path a = adapter("a", builder.build());
        Path b = adapter("b", builder.build());
        assertTrue(changes(merged(CombinationType.CAT, new double[] {0.5, 0.5}, a, b))
                        .get("lm_head")
                        .abs()
                        .max()
                        .item()
                > 0);
        assertRefused("add up to 2", CombinationType.CAT, new double[] {1, 1}, a, b);
        assertRefused(
                "trained as a whole",
                CombinationType.CAT,
                new double[] {0.5, 0.5},
                a,
                adapter("c", lora(4, "q_proj").build()));
    }

    @Test
    void whatCannotBeAddedUpIsRefused() {
        Path plain = adapter("plain", lora(4, "q_proj").build());
        double[] half = {0.5, 0.5};
        assertRefused(
                "DoRA",
                CombinationType.CAT,
                half,
                plain,
                adapter("dora", lora(4, "q_proj").useDora(true).build()));
        assertRefused(
                "one rank",
                CombinationType.LINEAR,
                half,
                plain,
                adapter("r2", lora(2, "q_proj").build()));
        assertRefused("one weight", CombinationType.LINEAR, new double[] {1}, plain, plain);
        Path ia3 = adapter("ia3", Ia3.of(ModuleSelection.defaults()));
        assertRefused("one method", CombinationType.LINEAR, half, plain, ia3);
        assertRefused("linear only", CombinationType.TIES, half, ia3, ia3);
        Path loha = adapter(
                "loha",
                new Loha(LycorisConfig.of(ModuleSelection.of(new TargetModules.Names(List.of("q_proj"))), 2, 2), true));
        assertRefused("fold each adapter into the base", CombinationType.LINEAR, half, loha, loha);
        Path prompt = adapter("prompt4", PromptTuning.of(PromptTuningConfig.of(4)));
        Path longer = adapter("prompt5", PromptTuning.of(PromptTuningConfig.of(5)));
        assertRefused("'num_virtual_tokens' is 5", CombinationType.LINEAR, half, prompt, longer);
        Path checkpoint = directory.resolve("pissa");
        try (AttachedStrategy attached = lora(4, "q_proj")
                .initialization(LoraInitialization.PISSA)
                .build()
                .attach(model)) {
            attached.save(checkpoint);
        }
        assertRefused("took a part of the base", CombinationType.CAT, half, plain, checkpoint);
    }

    private void assertRefused(String expected, CombinationType type, double[] weights, Path... adapters) {
        String message = assertThrows(UserErrorException.class, () -> merged(type, weights, adapters))
                .getMessage();
        assertTrue(message.contains(expected), message);
    }
}
