package org.finetune4j.dist.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.MeshTraining;
import org.finetune4j.dist.mesh.MeshShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ten steps of ranks that share out the experts of a mixture are ten steps of one process: losses, norms, and the files in the end. */
class ExpertTrainingTest {

    @TempDir
    private Path directory;

    @ParameterizedTest(name = "{1} of {0} on {3} ranks as {2}, ZeRO {4}")
    @CsvSource(
            delimiter = '|',
            value = {
                "mixtral          | full  | ep=2           | 2 | 0",
                "mixtral          | qlora | ep=2           | 2 | 0",
                "qwen3_moe        | full  | ep=2           | 2 | 0",
                "qwen3_moe        | lora  | ep=3           | 3 | 0",
                "gpt_oss          | full  | ep=2           | 2 | 0",
                "gpt_oss          | lora  | ep=3           | 3 | 0",
                "gpt_oss          | full  | dp=2,ep=2,tp=2 | 4 | 1",
                "gpt_oss          | full  | dp=2,ep=2      | 4 | 3",
                "gpt_oss+balance  | qlora | ep=2,tp=2      | 4 | 0",
                "qwen3_moe        | dora  | ep=2           | 2 | 0",
                "qwen2_moe        | lora  | ep=2           | 2 | 0",
                "olmoe            | full  | dp=2,ep=2,tp=2 | 4 | 1",
                "mixtral          | lora_fa | dp=4,ep=2    | 4 | 1",
                "mixtral+dropout  | lora  | ep=2           | 2 | 0",
                "qwen3_moe+dropout | lora | dp=2,ep=2,tp=2 | 4 | 1",
                "mixtral          | full  | dp=2,ep=2      | 4 | 0",
                "mixtral          | lora  | dp=4,ep=2      | 4 | 1",
                "mixtral          | full  | dp=4,ep=2      | 4 | 2",
                "mixtral          | full  | dp=4,ep=2      | 4 | 3",
                "mixtral+balance  | full  | ep=2           | 2 | 2",
                "mixtral          | full  | ep=2,tp=2      | 4 | 0",
                "mixtral          | qlora | ep=2,tp=2      | 4 | 1",
                "mixtral          | lora  | ep=2,pp=2      | 4 | 1",
            })
    void tenStepsWithSharedExpertsAreTenSteps(String model, String method, String mesh, int ranks, int stage) {
        new MeshTraining(model, method, stage, !method.equals("qlora"))
                .requireSameOn(MeshShape.parse(mesh, ranks), directory);
    }

    @ParameterizedTest(name = "{0} on {1} ranks, ZeRO {2}")
    @CsvSource(
            delimiter = '|',
            value = {"dp=4,ep=2|4|1", "ep=2,tp=2|4|1", "ep=2,pp=2|4|0"})
    void ranksGoOnFromWhatOneProcessSavedAndTheOtherWayRound(String mesh, int ranks, int stage) throws IOException {
        new MeshTraining("mixtral", "full", stage, true).requireSameResumedOn(MeshShape.parse(mesh, ranks), directory);
    }

    @ParameterizedTest(name = "{0} on {2} ranks as {1}")
    @CsvSource(
            delimiter = '|',
            value = {
                "llama|ep=2|2|expert_parallel_size 2 (ep in a mesh) shares out experts, and architecture 'LlamaForCausalLM' has none",
                "qwen3_moe|ep=4|4|expert_parallel_size 4 does not divide num_local_experts 6: sizes that do are 1, 2, 3, 6",
            })
    void whatCannotBeSharedIsSaidInOneLine(String model, String mesh, int ranks, String expected) {
        MeshTraining training = new MeshTraining(model, "full", 0, false);
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> training.heldOn(MeshShape.parse(mesh, ranks)));
        assertTrue(String.valueOf(e.getMessage()).contains(expected), e::getMessage);
    }

    @Test
    void aRankHoldsItsExpertsOnly() {
        MeshTraining training = new MeshTraining("mixtral", "full", 0, false);
        List<Long> whole = training.heldOn(MeshShape.SINGLE);
        List<Long> shared = training.heldOn(MeshShape.parse("ep=2", 2));
        assertTrue(shared.get(0) < 0.7 * whole.get(0), () -> shared + " of " + whole);
        assertEquals(shared.get(0), shared.get(1));
    }

    @Test
    void averagesOfExpertsAreTheirRanks() throws IOException {
        new MeshTraining("mixtral", "full", 1, true)
                .with(arguments -> arguments.emaDecay(0.8))
                .requireSameResumedOn(new MeshShape(2, 1, 1, 2), directory);
    }
}
