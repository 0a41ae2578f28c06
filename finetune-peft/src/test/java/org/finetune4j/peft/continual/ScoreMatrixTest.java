package org.finetune4j.peft.continual;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Average, forgetting and backward transfer by hand. */
class ScoreMatrixTest {

    private static final List<List<Double>> ACCURACIES =
            List.of(List.of(0.1, 0.1, 0.1), List.of(0.8, 0.2, 0.1), List.of(0.9, 0.7, 0.2), List.of(0.5, 0.6, 0.9));

    @Test
    void ofAccuracies() {
        ScoreMatrix matrix = new ScoreMatrix("exact_match", false, List.of("a", "b", "c"), ACCURACIES);
        assertEquals((0.5 + 0.6 + 0.9) / 3, matrix.average(), 1e-12);
        assertEquals(((0.5 - 0.8) + (0.6 - 0.7)) / 2, matrix.backwardTransfer(), 1e-12);
        assertEquals(((0.9 - 0.5) + (0.7 - 0.6)) / 2, matrix.forgetting(), 1e-12, "from the best, not from the first");
        assertEquals("| after b | 0.9000 | 0.7000 | 0.2000 |", matrix.lines().get(4));
    }

    @Test
    void ofLossesLessIsBetterAndTheSignsStay() {
        List<List<Double>> losses = ACCURACIES.stream()
                .map(row -> row.stream().map(score -> 2 - score).toList())
                .toList();
        ScoreMatrix accuracies = new ScoreMatrix("exact_match", false, List.of("a", "b", "c"), ACCURACIES);
        ScoreMatrix matrix = new ScoreMatrix("loss", true, List.of("a", "b", "c"), losses);
        assertEquals(2 - accuracies.average(), matrix.average(), 1e-12);
        assertEquals(accuracies.backwardTransfer(), matrix.backwardTransfer(), 1e-12);
        assertEquals(accuracies.forgetting(), matrix.forgetting(), 1e-12);
    }

    @Test
    void rowsHaveOneScoreATask() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new ScoreMatrix("loss", true, List.of("a", "b"), List.of(List.of(1.0))));
        ScoreMatrix half = new ScoreMatrix("loss", true, List.of("a", "b"), List.of(List.of(1.0, 2.0)));
        assertThrows(IllegalStateException.class, half::forgetting);
    }
}
