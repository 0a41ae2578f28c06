package org.finetune4j.train.group;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.steps.StepBatches;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ShareTest {

    private static final Objective BY_ROWS = new CrossEntropy(LossOptions.crossEntropy());

    /** Every token of the step is another number. */
    private static StepBatches step(int batches, int rows, Objective objective) {
        List<Batch> all = new ArrayList<>();
        int next = 0;
        for (int b = 0; b < batches; b++) {
            int[] ids = new int[rows * 3];
            byte[] mask = new byte[ids.length];
            Arrays.fill(mask, (byte) 1);
            float[][] column = new float[rows][];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = next++;
                column[i / 3] = new float[] {ids[i] / 3};
            }
            all.add(new Batch(rows, 3, ids, mask, ids.clone(), null, Map.of("row", column)));
        }
        return StepBatches.of(all, objective);
    }

    @ParameterizedTest
    @CsvSource({"1, 4, 2", "1, 4, 3", "3, 2, 2", "2, 1, 4", "5, 3, 4", "4, 2, 4", "1, 1, 3", "7, 5, 1"})
    void ranksDoEveryRowOnceInAsManyTurnsEach(int batches, int rows, int ranks) {
        StepBatches step = step(batches, rows, BY_ROWS);
        List<Integer> done = new ArrayList<>();
        long labelled = 0;
        int turns = Share.of(step, 0, ranks).turns().size();
        for (int rank = 0; rank < ranks; rank++) {
            Share share = Share.of(step, rank, ranks);
            assertEquals(turns, share.turns().size());
            for (Share.Turn turn : share.turns()) {
                if (!turn.idle()) {
                    Batch batch = turn.part().batch();
                    Arrays.stream(batch.inputIds()).forEach(done::add);
                    labelled += BY_ROWS.count(batch);
                    for (int row = 0; row < batch.batchSize(); row++) {
                        assertEquals(batch.inputIds()[3 * row] / 3, batch.column("row")[row][0]);
                    }
                }
            }
        }
        assertArrayEquals(
                IntStream.range(0, batches * rows * 3).toArray(),
                done.stream().mapToInt(Integer::intValue).sorted().toArray());
        assertEquals(step.counts().get(BY_ROWS), labelled);
    }

    @Test
    void aBatchThatCountsAsAWholeIsOneRanksAndTheOthersAreIdle() {
        StepBatches step = step(1, 4, new Objective() {
            @Override
            public long count(Batch batch) {
                return 1;
            }

            @Override
            public LossHead head(DecoderModel network, Batch batch, double scale) {
                throw new AssertionError();
            }
        });
        int whole = 0;
        for (int rank = 0; rank < 3; rank++) {
            Share.Turn turn = Share.of(step, rank, 3).turns().get(0);
            assertTrue(turn.divided());
            if (!turn.idle()) {
                whole++;
                assertEquals(4, turn.part().batch().batchSize());
            }
        }
        assertEquals(1, whole);
    }

    @Test
    void batchesThatEveryRankHasOneOfStayWhole() {
        for (Share.Turn turn : Share.of(step(4, 3, BY_ROWS), 1, 2).turns()) {
            assertFalse(turn.divided());
            assertFalse(turn.idle());
            assertEquals(3, turn.part().batch().batchSize());
        }
    }
}
