package org.finetune4j.peft.auto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** How a budget of steps becomes rungs. */
class SuccessiveHalvingTest {

    private static long spent(List<Rung> rungs) {
        long sum = 0;
        long reached = 0;
        for (Rung rung : rungs) {
            sum += rung.candidates() * (rung.steps() - reached);
            reached = rung.steps();
        }
        return sum;
    }

    @Test
    void eighteenCandidatesOnSixHundredStepsGoTenThirtyNinetySteps() {
        assertEquals(
                List.of(new Rung(18, 10), new Rung(6, 30), new Rung(2, 90), new Rung(1, 270)),
                SuccessiveHalving.plan(18, 3, 600));
    }

    @Test
    void theWinnerTrainsWithWhatIsLeft() {
        assertEquals(List.of(new Rung(2, 3), new Rung(1, 7)), SuccessiveHalving.plan(2, 2, 10));
        assertEquals(List.of(new Rung(1, 9)), SuccessiveHalving.plan(1, 3, 9));
    }

    @Test
    void everyPlanSpendsItsBudgetToTheStepAndLetsNobodyTrainLess() {
        for (int candidates = 1; candidates <= 40; candidates++) {
            for (int reduction = 2; reduction <= 5; reduction++) {
                long least = SuccessiveHalving.leastBudget(candidates, reduction);
                for (long budget = least; budget < 3 * least + 7; budget += 1 + least / 5) {
                    List<Rung> rungs = SuccessiveHalving.plan(candidates, reduction, budget);
                    assertEquals(budget, spent(rungs), candidates + " candidates, " + rungs);
                    assertEquals(candidates, rungs.get(0).candidates());
                    assertEquals(1, rungs.get(rungs.size() - 1).candidates());
                    for (int i = 1; i < rungs.size(); i++) {
                        assertTrue(rungs.get(i).steps() > rungs.get(i - 1).steps(), rungs.toString());
                        assertTrue(rungs.get(i).candidates() < rungs.get(i - 1).candidates(), rungs.toString());
                    }
                    assertEquals(
                            rungs.stream().mapToInt(Rung::candidates).sum(),
                            SuccessiveHalving.visits(candidates, reduction));
                }
                assertThrows(
                        IllegalArgumentException.class,
                        () -> SuccessiveHalving.plan(5, 2, SuccessiveHalving.leastBudget(5, 2) - 1));
            }
        }
    }
}
