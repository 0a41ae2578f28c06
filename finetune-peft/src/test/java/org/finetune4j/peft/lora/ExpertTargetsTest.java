package org.finetune4j.peft.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.DirectionalDerivative;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** LoRA on the experts of a mixture, on its router, or on both. */
class ExpertTargetsTest {

    private static final Path MODELS = Path.of("../finetune-core/src/test/resources/goldens/arch");

    @TempDir
    Path directory;

    private static Batch batch() {
        int[] ids = {3, 50, 17, 80, 111, 9, 42, 150};
        return new Collator(0, 1).collate(List.of(new Sample(ids, ids)));
    }

    private static Adapter attach(CausalLM model, String targets) {
        return (Adapter) Lora.builder()
                .rank(2)
                .alpha(4)
                .targetModules(targets.split(" "))
                .build()
                .attach(model);
    }

    @ParameterizedTest
    @CsvSource({
        "mixtral, gate, block_sparse_moe.gate",
        "mixtral, w1 w2 w3, block_sparse_moe.experts.N.w1 block_sparse_moe.experts.N.w2 block_sparse_moe.experts.N.w3",
        "mixtral, gate w2, block_sparse_moe.experts.N.w2 block_sparse_moe.gate",
        "qwen3_moe, gate, mlp.gate",
        "qwen3_moe, down_proj gate, mlp.experts.N.down_proj mlp.gate",
        "qwen3_moe, .*experts\\.1\\.up_proj, mlp.experts.N.up_proj",
        "gpt_oss, router, mlp.router",
        "gpt_oss, gate_up_proj router, mlp.experts.N.gate_up_proj mlp.router",
        "gpt_oss, .*experts\\.1\\.down_proj, mlp.experts.N.down_proj"
    })
    void adaptersAreWhereTheyAreWantedAndTheirGradientsAreDerivatives(String name, String targets, String places) {
        Batch batch = batch();
        try (CausalLM model = CausalLM.load(
                        MODELS.resolve(name), LoadOptions.defaults().inDoublePrecision());
                Adapter adapter = attach(model, targets);
                TensorScope scope = TensorScope.open()) {
            Set<String> found = new TreeSet<>();
            List<Parameter> second = new ArrayList<>();
            adapter.parametersByKey().forEach((key, parameter) -> {
                found.add(key.replaceFirst("^base_model\\.model\\.model\\.layers\\.\\d+\\.", "")
                        .replaceFirst("experts\\.\\d+\\.", "experts.N.")
                        .replaceFirst("\\.lora_[AB].*$", ""));
                if (key.contains("lora_B")) {
                    second.add(parameter);
                }
            });
            assertEquals(new TreeSet<>(List.of(places.split(" "))), found);
            Backpropagation run = new Backpropagation(model, GradientCheckpointing.none());
            run.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens()));
            for (Parameter parameter : second.subList(0, Math.min(3, second.size()))) {
                DirectionalDerivative.assertIsGradient(
                        parameter,
                        () -> run.evaluate(
                                batch.modelInputs(),
                                LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens())));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"mixtral, gate w1", "qwen3_moe, gate down_proj", "gpt_oss, router gate_up_proj down_proj"})
    void theyAreSavedReadAndMerged(String name, String targets) {
        Batch batch = batch();
        float[] expected;
        try (CausalLM model = CausalLM.load(MODELS.resolve(name));
                Adapter adapter = attach(model, targets);
                TensorScope scope = TensorScope.open()) {
            adapter.parametersByKey()
                    .values()
                    .forEach(parameter -> parameter.value().detach().addInPlace(0.01));
            expected = model.logits(batch.modelInputs()).toFloatArray();
            adapter.save(directory.resolve("adapter"));
            adapter.merge();
            assertArrayEquals(expected, model.logits(batch.modelInputs()).toFloatArray(), 1e-4f);
        }
        try (CausalLM model = CausalLM.load(MODELS.resolve(name));
                Adapter adapter = AdapterFormat.load(model, directory.resolve("adapter"), false);
                TensorScope scope = TensorScope.open()) {
            assertArrayEquals(expected, model.logits(batch.modelInputs()).toFloatArray(), 1e-5f);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "mixtral, router, 'the router is called gate, the layers of experts w1, w3, w2'",
        "qwen3_moe, experts, 'the router is called gate, the layers of experts gate_proj, up_proj, down_proj'",
        "gpt_oss, experts, 'the router is called router, the layers of experts gate_up_proj, down_proj'"
    })
    void whoCallsThemByAnotherNameIsToldTheirs(String name, String target, String expected) {
        try (CausalLM model = CausalLM.load(MODELS.resolve(name))) {
            String message = assertThrows(UserErrorException.class, () -> attach(model, "q_proj " + target))
                    .getMessage();
            assertTrue(message.contains("'" + target + "'") && message.contains(expected), message);
        }
    }
}
