package org.finetune4j.peft.lora;

import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.FusedContract;
import org.finetune4j.train.gradient.FusedContract.Rows;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers with LoRA go back by formula, those with anything more by autograd. */
class FusedLoraTest {

    static Stream<Arguments> modelsAndRows() {
        return Stream.of("llama", "mistral", "qwen2", "qwen3", "phi3", "smollm3", "granite", "glm")
                .flatMap(model -> Stream.of(Rows.values()).map(rows -> Arguments.of(model, rows)));
    }

    private static void check(String name, FineTuningStrategy strategy, Rows rows, int everyLayers, int taken) {
        check(name, LoadOptions.defaults(), strategy, rows, everyLayers, 1e-5f, taken);
    }

    private static void check(
            String name,
            LoadOptions options,
            FineTuningStrategy strategy,
            Rows rows,
            int everyLayers,
            float tolerance,
            int taken) {
        Torch.seed(7);
        try (CausalLM model = TinyModels.load(name, options);
                AttachedStrategy attached = strategy.attach(model)) {
            List<Parameter> trained = List.copyOf(attached.trainableParameters());
            try (Autograd.Mode mode = Autograd.disabled()) {
                trained.forEach(parameter -> parameter.value().detach().normalInPlace(0, 0.1)); // B is no longer 0
            }
            Batch batch = FusedContract.batch(
                    rows, Math.toIntExact(model.network().inputEmbedding().count()));
            FusedContract.check(model, trained, batch, everyLayers, tolerance, taken);
        }
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("modelsAndRows")
    void gradientsAndLossesAreAutograds(String name, Rows rows) {
        check(name, Lora.builder().rank(4).alpha(8).targetModules("all-linear").build(), rows, 0, -1);
    }

    @ParameterizedTest(name = "{0}, {1}, every {2}")
    @CsvSource({
        "llama, q_proj;v_proj, 0",
        "llama, gate_proj, 0",
        "qwen2, down_proj;o_proj, 1",
        "qwen3, k_proj;up_proj, 0",
        "llama-of-8-layers, q_proj;down_proj, 3"
    })
    void someLayersMayHaveMatrices(String name, String targets, int everyLayers) {
        check(
                name,
                Lora.builder()
                        .rank(2)
                        .alpha(3)
                        .targetModules(targets.split(";"))
                        .build(),
                Rows.PADDED,
                everyLayers,
                -1);
    }

    /** Of two layers each: what is rounded adds up from layer to layer. */
    static Stream<Arguments> modelsOfTwoLayers() {
        return modelsAndRows().filter(arguments -> !arguments.get()[0].equals("smollm3"));
    }

    /** Both ways round the same factors; what they round in between differs in the last of eight bits. */
    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("modelsOfTwoLayers")
    void factorsMayBeRounded(String name, Rows rows) {
        check(
                name,
                LoadOptions.defaults().withProductDType(DType.BFLOAT16),
                Lora.builder().rank(4).alpha(8).targetModules("all-linear").build(),
                rows,
                0,
                5e-3f,
                -1);
    }
}
