package org.finetune4j.train.group;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.Batch;
import org.finetune4j.nn.Portion;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;
import org.jspecify.annotations.Nullable;

/**
 * What one rank of the data axis does of an optimizer step, whose batches all ranks know. Batches are dealt out whole, one to each
 * rank in turn, as long as there is one for every rank; of each one that is left every rank takes some rows, or some sequences of the only
 * row. Where there are too few, or the loss is no sum over them, some ranks have nothing of it: they run one that does not count, because
 * ranks that share weights go through the model together. So the ranks have as many turns each, and together do what one process would.
 *
 * @param turns in their order
 */
public record Share(List<Turn> turns) {

    /**
     * One batch, or some rows of it.
     *
     * @param part what goes through the model
     * @param number of the batch in the step, from 0
     * @param divided whether the other ranks' turns of this number are the rest of the same batch
     * @param idle whether it does not count
     * @param portion where its rows or tokens lie in the batch, null where it is all of it or does not count
     */
    public record Turn(
            StepBatch part,
            int number,
            boolean divided,
            boolean idle,
            @Nullable Portion portion) {}

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
            turns.add(new Turn(batches.get(i), i, false, false, null));
        }
        for (int i = whole; i < batches.size(); i++) {
            turns.add(divided(batches.get(i), i, rank, ranks, whole));
        }
        return new Share(turns);
    }

    private static Turn divided(StepBatch batch, int number, int rank, int ranks, int first) {
        // Who has more of it, or all, changes with the batch.
        int place = (rank + number - first) % ranks;
        if (!batch.objective().isSumOverRows(batch.batch())) {
            return place == 0 ? whole(batch, number) : idle(batch, number);
        }
        return batch.batch().batchSize() > 1
                ? rows(batch, number, place, ranks)
                : sequences(batch, number, place, ranks);
    }

    private static Turn rows(StepBatch batch, int number, int place, int ranks) {
        int rows = batch.batch().batchSize();
        int from = (int) ((long) rows * place / ranks);
        int to = (int) ((long) rows * (place + 1) / ranks);
        return from == to
                ? idle(batch, number)
                : part(batch, number, batch.batch().rows(from, to), Portion.ofRows(from, to - from, rows));
    }

    private static Turn sequences(StepBatch batch, int number, int place, int ranks) {
        Batch row = batch.batch();
        if (!SequenceParts.divides(row)) {
            return place == 0 ? whole(batch, number) : idle(batch, number);
        }
        SequenceParts.Part part = SequenceParts.of(row).part(place, ranks);
        return part.isEmpty()
                ? idle(batch, number)
                : part(batch, number, part.batch(), Portion.ofTokens(part.places(), row.sequenceLength()));
    }

    private static Turn part(StepBatch batch, int number, Batch own, Portion portion) {
        return new Turn(batch.with(own), number, true, false, portion);
    }

    private static Turn whole(StepBatch batch, int number) {
        return new Turn(batch, number, true, false, null);
    }

    private static Turn idle(StepBatch batch, int number) {
        Batch all = batch.batch();
        Batch least = SequenceParts.divides(all) ? SequenceParts.of(all).shortest() : all.rows(0, 1);
        return new Turn(batch.with(least), number, true, true, null);
    }
}
