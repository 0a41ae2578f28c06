package org.finetune4j.model.fused;

import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.train.gradient.FusedContract;
import org.finetune4j.train.gradient.FusedContract.Rows;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class FusedLayersTest {

    private static final List<String> MODELS = List.of(
            "llama",
            "mistral",
            "qwen2",
            "qwen3",
            "phi3",
            "smollm3",
            "granite",
            "glm",
            "seed_oss",
            "ernie4_5",
            "helium");

    static Stream<Arguments> modelsAndRows() {
        return MODELS.stream().flatMap(model -> Stream.of(Rows.values()).map(rows -> Arguments.of(model, rows)));
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("modelsAndRows")
    void gradientsAndLossesAreAutograds(String name, Rows rows) {
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            FusedContract.check(model, full.trainableParameters(), batch(model, rows), 0, 1e-5f, -1);
        }
    }

    @ParameterizedTest(name = "{0}, every {1}")
    @CsvSource({"llama-of-8-layers, 1", "llama-of-8-layers, 3", "qwen3, 1"})
    void checkpointedLayersToo(String name, int everyLayers) {
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            FusedContract.check(model, full.trainableParameters(), batch(model, Rows.PADDED), everyLayers, 2e-5f, -1);
        }
    }

    /** Whatever a layer trains: nothing above it, some of its weights, norms alone. */
    @ParameterizedTest(name = "{0}: {1}")
    @CsvSource({
        "qwen2, layers.1.self_attn.q_proj.bias",
        "qwen2, layers.0.mlp.down_proj.weight",
        "qwen3, layers.1.self_attn.k_norm.weight",
        "llama, layers.0.input_layernorm.weight",
        "llama, layers.1.mlp.gate_proj.weight",
        "llama, lm_head.weight"
    })
    void aPartOfALayerMayTrain(String name, String parameter) {
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults())) {
            List<Parameter> trained = model.network().allParameters().stream()
                    .filter(candidate -> candidate.name().endsWith(parameter))
                    .toList();
            trained.forEach(one -> one.train(DType.FLOAT32));
            FusedContract.check(model, trained, batch(model, Rows.WHOLE), 0, 1e-5f, -1);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "mixtral",
        "gpt2",
        "gemma2",
        "opt",
        "olmo3",
        "olmoe",
        "cohere",
        "glm4",
        "phi",
        "starcoder2",
        "stablelm",
        "gpt_oss",
        "ministral3",
        "hunyuan_v1_dense",
        "exaone4",
        "arcee",
        "apertus",
        "nemotron",
        "olmo"
    })
    void layersOfOtherShapesAreLeftToAutograd(String name) {
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            FusedContract.check(model, full.trainableParameters(), batch(model, Rows.WHOLE), 0, 0, 0);
        }
    }

    private static Batch batch(CausalLM model, Rows rows) {
        return FusedContract.batch(
                rows, Math.toIntExact(model.network().inputEmbedding().count()));
    }
}
