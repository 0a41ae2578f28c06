package org.finetune4j.train.group;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.Batch;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;

/**
 * What one rank of the data axis does of an optimizer step, whose batches all ranks know. Batches are dealt out whole, one to each
 * rank in turn, as long as there is one for every rank; of each one that is left every rank takes some rows. Where a batch has too few
 * rows, or its loss is no sum over them, some ranks have nothing of it: they run a row that does not count, because ranks that
 * share weights go through the model together. So the ranks have as many turns each, and together do what one process would.
 *
 * @param turns in their order
 */
public record Share(List<Turn> turns) {

    /**
     * One batch, or some rows of it.
     *
     * @param part what goes through the model
     * @param divided whether the other ranks' turns of this number are the rest of the same batch
     * @param idle whether it does not count
     */
    public record Turn(StepBatch part, boolean divided, boolean idle) {}

    /**
     * Copies the list.
     *
     * @param turns in their order
     */
    public Share {
        turns = List.copyOf(turns);
    }

    /**
     * The share of a rank.
     *
     * @param step the same on all ranks
     * @param rank from 0
     * @param ranks how many share the step
     * @return what the rank does
     */
    public static Share of(StepBatches step, int rank, int ranks) {
        List<StepBatch> batches = step.batches();
        List<Turn> turns = new ArrayList<>();
        int whole = batches.size() / ranks * ranks;
        for (int i = rank; i < whole; i += ranks) {
            turns.add(new Turn(batches.get(i), false, false));
        }
        for (int i = whole; i < batches.size(); i++) {
            turns.add(divided(batches.get(i), i - whole, rank, ranks));
        }
        return new Share(turns);
    }

    private static Turn divided(StepBatch batch, int number, int rank, int ranks) {
        Batch all = batch.batch();
        boolean bySequence = batch.objective().isSumOverRows() && all.batchSize() > 1;
        int rows = bySequence ? all.batchSize() : 1;
        // Who has one row more, or the only one, changes with the batch.
        int place = (rank + number) % ranks;
        int from = (int) ((long) rows * place / ranks);
        int to = (int) ((long) rows * (place + 1) / ranks);
        boolean idle = from == to;
        Batch own = idle ? all.rows(0, 1) : bySequence ? all.rows(from, to) : all;
        return new Turn(new StepBatch(own, batch.objective(), batch.weight(), batch.prepare()), true, idle);
    }
}
