package org.finetune4j.dist.zero;

import org.finetune4j.dist.zero.RanksTraining.Outcome;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExpertBalanceTest {

    /** With 4 ranks some have no row of a batch of 3. */
    @ParameterizedTest(name = "{0} {1}, {2} ranks, stage {3}")
    @CsvSource({
        "mixtral, full, 2, 1",
        "mixtral, full, 4, 3",
        "gpt_oss, full, 2, 2",
        "qwen3_moe, lora, 3, 2",
        "qwen3_moe, full, 4, 2",
    })
    void theBalanceOfExpertsIsThatOfWholeBatches(String model, String method, int ranks, int stage) {
        RanksTraining training = new RanksTraining(model, method)
                .withExpertBalance()
                .with(arguments -> arguments.gradientAccumulationSteps(1));
        Outcome alone = training.alone();
        alone.requireSame(training.on(ranks, stage).get(0));
    }
}
