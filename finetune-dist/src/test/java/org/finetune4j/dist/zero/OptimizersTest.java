package org.finetune4j.dist.zero;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.zero.RanksTraining.Outcome;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptimizersTest {

    private static RanksTraining training(String optimizer) {
        return new RanksTraining("llama", "full")
                .with(arguments -> arguments.maxSteps(4).optimizer(optimizer));
    }

    @ParameterizedTest(name = "{0}, stage {1}")
    @CsvSource({
        "adamw, 2",
        "adam, 3",
        "lion, 1",
        "sgd, 3",
        "rmsprop, 2",
        "adagrad, 3",
        "paged_adamw_32bit, 2",
        "schedule_free_adamw, 1",
        "schedule_free_adamw, 3",
        "adafactor, 1",
        "adafactor, 2",
        "muon, 1",
        "muon, 2",
        "adamw_8bit, 1",
        "paged_adamw_8bit, 2"
    })
    void everyOptimizerWorksOnPartsOrOnWholeParametersThatAreDealtOut(String optimizer, int stage) {
        RanksTraining training = training(optimizer);
        Outcome alone = training.alone();
        List<Outcome> together = training.on(3, stage);
        alone.requireSame(together.get(0));
        together.forEach(alone::requireSameWeights);
    }

    @ParameterizedTest
    @CsvSource({"adafactor", "muon", "adamw_8bit"})
    void whatNeedsWholeWeightsIsRefusedByNameWhereTheyAreShared(String optimizer) {
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> training(optimizer).on(2, 3));
        assertTrue(refused.getMessage().contains("zero_stage"), refused.getMessage());
    }
}
