package org.finetune4j.dist.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.dist.MeshTraining;
import org.finetune4j.dist.mesh.MeshShape;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ten steps of a model whose layers are on several ranks are ten steps of the model: losses, norms, and the files in the end. */
class PipelineTrainingTest {

    @TempDir
    private Path directory;

    private static PipelineOptions by(String schedule) {
        return PipelineOptions.of(PipelineSchedule.named("test", schedule));
    }

    @ParameterizedTest(name = "{1} of {0}, {2} stages, {3}, in double precision: {4}")
    @CsvSource({
        "llama, full, 2, gpipe, false",
        "llama, full, 2, 1f1b, false",
        "llama, lora, 2, 1f1b, true",
        "llama, qlora, 2, 1f1b, false",
        "gpt2, full, 2, 1f1b, true",
        "gpt2, lora, 2, gpipe, false",
        "gpt2, qlora, 2, 1f1b, false",
        "mixtral, full, 2, 1f1b, false",
        "gpt_oss, full, 2, 1f1b, false",
        "gpt_oss+balance, lora, 3, 1f1b, false",
        "mixtral+balance, full, 2, gpipe, false",
        "mixtral+balance, lora, 2, 1f1b, false",
        "mixtral, qlora, 2, 1f1b, false",
        "llama-of-8-layers, full, 3, 1f1b, false",
        "llama-of-8-layers, lora, 4, 1f1b, true",
        "llama-of-8-layers, full, 2, interleaved, false",
    })
    void tenStepsThroughStagesAreTenSteps(String model, String method, int stages, String schedule, boolean exact) {
        new MeshTraining(model, method, 0, exact)
                .by(by(schedule))
                .requireSameOn(new MeshShape(1, stages, 1, 1), directory);
    }

    @ParameterizedTest(name = "{1} of {0}, {2} copies of {3} stages of {4} slices, ZeRO {5}, in double precision: {6}")
    @CsvSource({
        "llama, full, 2, 2, 1, 1, false",
        "gpt2, lora, 2, 2, 1, 0, true",
        "mixtral+balance, full, 2, 2, 1, 1, false",
        "llama, full, 1, 2, 2, 0, false",
        "gpt2, full, 1, 2, 2, 0, true",
        "llama, qlora, 1, 2, 2, 0, false",
        "llama, full, 2, 2, 2, 1, false",
        "gpt2, lora, 2, 2, 2, 1, true",
        "mixtral, qlora, 2, 2, 2, 0, false",
    })
    void copiesAndSlicesOfStagesTrainAsOneProcessDoes(
            String model, String method, int copies, int stages, int slices, int stage, boolean exact) {
        new MeshTraining(model, method, stage, exact)
                .requireSameOn(new MeshShape(copies, stages, slices, 1), directory);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4, 8})
    void whatTrainsIsOnItsStageAlone(int stages) {
        MeshTraining training = new MeshTraining("llama-of-8-layers", "full", 0, false);
        long whole = training.heldOn(MeshShape.SINGLE).get(0);
        List<Long> held = training.heldOn(new MeshShape(1, stages, 1, 1));
        assertEquals(whole, held.stream().mapToLong(Long::longValue).sum());
    }

    @Test
    void weightsInFourBitsAreOnTheirStageAlone() {
        long whole = new MeshTraining("llama", "lora", 0, false)
                .heldOn(MeshShape.SINGLE)
                .get(0);
        MeshTraining training = new MeshTraining("llama", "qlora", 0, false);
        long packed = training.heldOn(MeshShape.SINGLE).get(0);
        List<Long> held = training.heldOn(new MeshShape(1, 2, 1, 1));
        // Both stages have the embedding, the head and the norms, which are mapped, and half of the layers.
        assertEquals(held.get(0), held.get(1));
        assertTrue(held.get(0) < packed && packed < whole, held + " of " + packed);
    }

    @ParameterizedTest
    @CsvSource({
        "llama, vera",
        "llama, ia3",
        "llama, loha",
        "llama, lokr",
        "llama, ln_tuning",
        "gpt2, bitfit",
        "llama, freeze",
        "llama, dora",
        "llama, adapter",
        "llama, oft",
        "llama, hra",
        "llama, fourierft",
        "llama, prompt_tuning",
        "gpt2, p_tuning",
        "llama, prefix_tuning",
        "mixtral, prompt_tuning",
    })
    @Tag("slow")
    void everyMethodOfLayersGoesThroughStages(String model, String method) {
        new MeshTraining(model, method, 0, true).requireSameOn(new MeshShape(1, 2, 1, 1), directory);
    }

    @ParameterizedTest
    @Tag("slow")
    @ValueSource(
            strings = {
                "gemma2",
                "gemma3_text",
                "gpt_neox",
                "llama-tied",
                "opt",
                "phi3",
                "qwen3",
                "qwen3_moe",
                "granite",
                "qwen2_moe",
                "cohere2",
                "phi"
            })
    void everyArchitectureGoesThroughStages(String model) {
        new MeshTraining(model, "full", 0, true).requireSameOn(new MeshShape(1, 2, 1, 1), directory);
    }

    @Test
    void averagesOfWeightsAreThoseOfOneProcess() throws IOException {
        new MeshTraining("llama", "full", 1, true)
                .with(arguments -> arguments.emaDecay(0.8))
                .requireSameResumedOn(new MeshShape(2, 2, 1, 1), directory);
    }

    @Test
    void noiseOnEmbeddingsIsThatOfOneProcess() {
        new MeshTraining("llama", "full", 0, false)
                .with(arguments -> arguments.neftuneNoiseAlpha(5))
                .requireSameOn(new MeshShape(1, 2, 1, 1), directory);
    }

    @Test
    void moreBatchesThanStagesWithCheckpointedLayers() {
        new MeshTraining("llama-of-8-layers", "full", 0, false)
                .with(arguments -> arguments.gradientAccumulationSteps(5).gradientCheckpointingLayers(2))
                .by(by("interleaved"))
                .requireSameOn(new MeshShape(1, 3, 1, 1), directory);
    }

    @ParameterizedTest(name = "{0} of {1}, {2} copies of {3} stages of {4} slices, ZeRO {5}")
    @CsvSource({"llama, full, 1, 2, 1, 0", "gpt2, full, 2, 2, 1, 1", "llama, full, 2, 2, 2, 1"})
    void stagesGoOnFromWhatTheWholeSavedAndTheOtherWayRound(
            String model, String method, int copies, int stages, int slices, int stage) throws IOException {
        new MeshTraining(model, method, stage, true)
                .requireSameResumedOn(new MeshShape(copies, stages, slices, 1), directory);
    }
}
