package org.finetune4j.dist.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StagePlanTest {

    private static double[] costs(int layers, double head) {
        double[] costs = new double[layers + 2];
        Arrays.fill(costs, 1, layers + 1, 1);
        costs[layers + 1] = head;
        return costs;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "8 | 0 | 2 | 0-3, 4-7",
                "8 | 0 | 4 | 0-1, 2-3, 4-5, 6-7",
                "8 | 2 | 2 | 0-4, 5-7",
                "7 | 1 | 2 | 0-3, 4-6",
                "4 | 9 | 3 | 0-1, 2, 3",
                "1 | 5 | 1 | 0"
            })
    void theHeadWeighsAsItsMatrix(int layers, double head, int stages, String expected) {
        assertEquals(expected, StagePlan.balanced(costs(layers, head), stages).layers());
    }

    @Test
    void noOtherDivisionHasACheaperDearestStage() {
        Random random = new Random(7);
        for (int trial = 0; trial < 200; trial++) {
            int layers = 1 + random.nextInt(8);
            int stages = 1 + random.nextInt(layers);
            double[] costs = random.doubles(layers + 2, 0.1, 3).toArray();
            StagePlan plan = StagePlan.balanced(costs, stages);
            assertEquals(stages, plan.stages());
            assertEquals(0, plan.from(0));
            assertEquals(layers + 2, plan.to(stages - 1));
            double dearest = IntStream.range(0, stages)
                    .peek(stage -> assertTrue(plan.from(stage) < plan.to(stage)))
                    .mapToDouble(stage -> cost(costs, plan.from(stage), plan.to(stage)))
                    .max()
                    .orElseThrow();
            assertEquals(least(costs, 0, stages), dearest, 1e-9);
            for (int segment = 0; segment < layers + 2; segment++) {
                int stage = plan.stageOf(segment);
                assertTrue(plan.from(stage) <= segment && segment < plan.to(stage));
            }
        }
    }

    private static double cost(double[] costs, int from, int to) {
        return Arrays.stream(costs, from, to).sum();
    }

    /** By trying everything. */
    private static double least(double[] costs, int from, int stages) {
        if (stages == 1) {
            return cost(costs, from, costs.length);
        }
        double least = Double.POSITIVE_INFINITY;
        for (int to = Math.max(from + 1, 2); to <= costs.length - stages; to++) {
            least = Math.min(least, Math.max(cost(costs, from, to), least(costs, to, stages - 1)));
        }
        return least;
    }

    @Test
    void moreStagesThanLayersAreRefusedInOneLine() {
        UserErrorException error = assertThrows(UserErrorException.class, () -> StagePlan.balanced(costs(2, 1), 4));
        assertTrue(error.getMessage().startsWith("a pipeline of 4 stages needs as many layers, but the model has 2"));
    }

    @Test
    void expertsCountAsFarAsATokenIsSentToThem() {
        try (CausalLM mixture = TinyModels.load("mixtral", LoadOptions.defaults());
                CausalLM dense = TinyModels.load("llama", LoadOptions.defaults())) {
            double[] costs = StageCosts.of(mixture.network());
            long all = mixture.network().layers().get(0).allParameters().stream()
                    .filter(parameter -> parameter.shape().length == 2)
                    .mapToLong(parameter -> parameter.numel())
                    .sum();
            assertTrue(costs[1] < all, "some of the experts");
            assertEquals(0, costs[0]);
            double[] plain = StageCosts.of(dense.network());
            assertEquals(dense.network().outputLayer().weight().numel(), plain[plain.length - 1]);
            assertEquals(List.of(plain[1]), List.of(plain[2]), "layers are alike");
        }
    }
}
