package org.finetune4j.dist.zero;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.zero.RanksTraining.Outcome;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ResumeOnOtherRanksTest {

    @TempDir
    Path directory;

    private static RanksTraining training(String method) {
        return new RanksTraining("llama", method)
                .with(arguments -> arguments.maxSteps(6).emaDecay(0.5).schedule(LearningRateSchedule.CONSTANT));
    }

    private RanksTraining inParts(String method, int steps, boolean resume) {
        return training(method).with(arguments -> arguments
                .maxSteps(steps)
                .saveSteps(3)
                .outputDirectory(directory)
                .resume(resume));
    }

    @ParameterizedTest(name = "{0}, {1} ranks at stage {2}, then {3} at stage {4}")
    @CsvSource({
        "full, 2, 1, 3, 2",
        "full, 3, 3, 2, 1",
        "full, 4, 2, 1, 0",
        "full, 1, 0, 4, 3",
        "full, 2, 3, 3, 3",
        "lora, 3, 2, 2, 3",
    })
    void aCheckpointOfSomeRanksGoesOnWithOthers(String method, int ranks, int stage, int laterRanks, int laterStage) {
        Outcome whole = training(method).alone();
        inParts(method, 3, false).on(ranks, stage);
        List<Outcome> rest = inParts(method, 6, true).on(laterRanks, laterStage);
        assertEquals(3, rest.get(0).steps().size());
        assertEquals(
                whole.steps().get(5).loss(),
                rest.get(0).steps().get(2).loss(),
                1e-5 * whole.steps().get(5).loss());
        rest.forEach(whole::requireSameWeights);
    }

    @Test
    void aRankWhoseFileIsMissingIsMissedByName() throws IOException {
        inParts("full", 3, false).on(2, 2);
        Path missing = directory.resolve("checkpoint-3").resolve("training_state-1-of-2.safetensors");
        Files.delete(missing);
        UserErrorException refused = assertThrows(
                UserErrorException.class, () -> inParts("full", 6, true).on(2, 2));
        assertTrue(refused.getMessage().contains(missing.getFileName().toString()), refused.getMessage());
    }

    @Test
    void theFirstRankWritesTheFilesThatOneProcessWrites() {
        inParts("full", 3, false).on(2, 3);
        assertTrue(Files.exists(directory.resolve("checkpoint-3").resolve("model.safetensors")));
        assertTrue(Files.exists(directory.resolve("checkpoint-3").resolve("training_state.safetensors")));
    }
}
