package org.finetune4j.train.group;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.SequenceLayout;

/**
 * The sequences of a batch of one row, dealt out in stretches of about as many tokens. A branch that is dealt out without its sequence
 * takes along what it shares with it, unlabelled, so the losses of the parts add up to that of the row.
 */
final class SequenceParts {

    private final Batch row;
    private final SequenceLayout layout;
    private final List<Integer> starts = new ArrayList<>(); // of what is dealt out together

    private SequenceParts(Batch row) {
        this.row = row;
        this.layout = SequenceLayout.of(row.modelInputs());
        for (int at = 0; at < row.sequenceLength(); at++) {
            // A first token that is learned is foretold by what lies before it: they stay together.
            boolean isAlone = at == 0 || layout.before(at) >= 0 || row.labels()[at] == Sample.IGNORE_INDEX;
            if (layout.start(at) == at && isAlone && row.attentionMask()[at] == 1) {
                starts.add(at);
            }
        }
        starts.add(row.sequenceLength());
    }

    /** Whether a batch is one row of several sequences, of which nothing but tokens is known. */
    static boolean divides(Batch batch) {
        return batch.batchSize() == 1
                && batch.positionIds() != null
                && batch.columns().isEmpty()
                && new SequenceParts(batch).starts.size() > 2;
    }

    static SequenceParts of(Batch batch) {
        return new SequenceParts(batch);
    }

    /**
     * A part.
     *
     * @param place of the part
     * @param parts how many there are
     * @return its tokens in a row, and where they were; without tokens where there are fewer sequences than parts
     */
    Part part(int place, int parts) {
        Part part = new Part(row);
        long length = row.sequenceLength();
        int held = -1; // the sequence whose beginning the part has
        for (int i = 0; i + 1 < starts.size(); i++) {
            int start = starts.get(i);
            int end = starts.get(i + 1);
            if ((start + (long) end) / 2 * parts / length != place) {
                continue;
            }
            boolean isBranch = layout.sharedTo(start) > layout.sharedFrom(start);
            if (isBranch && held != layout.sharedFrom(start)) {
                held = layout.sharedFrom(start);
                part.add(held, layout.sharedTo(start), false);
            }
            part.add(start, end, true);
            for (int at = start; at < end; at++) {
                if (layout.start(at) == at && layout.sharedTo(at) == layout.sharedFrom(at)) {
                    held = at;
                }
            }
        }
        return part;
    }

    /** Some tokens of a row, in a row of their own. */
    static final class Part {

        private final Batch row;
        private final List<Integer> places = new ArrayList<>();
        private final BitSet learned = new BitSet();

        private Part(Batch row) {
            this.row = row;
        }

        /** @param learns whether their labels are this part's */
        private void add(int from, int to, boolean learns) {
            learned.set(places.size(), places.size() + to - from, learns);
            for (int at = from; at < to; at++) {
                places.add(at);
            }
        }

        boolean isEmpty() {
            return places.isEmpty();
        }

        /** Where the tokens were. */
        long[] places() {
            return places.stream().mapToLong(Integer::longValue).toArray();
        }

        Batch batch() {
            int length = places.size();
            int[] ids = new int[length];
            byte[] mask = new byte[length];
            int[] labels = new int[length];
            int[] positions = new int[length];
            int[] known = row.positionIds();
            for (int i = 0; i < length; i++) {
                int at = places.get(i);
                ids[i] = row.inputIds()[at];
                mask[i] = row.attentionMask()[at];
                labels[i] = learned.get(i) ? row.labels()[at] : Sample.IGNORE_INDEX;
                positions[i] = known == null ? at : known[at];
            }
            return new Batch(1, length, ids, mask, labels, positions);
        }
    }

    /** The first sequence by itself, for a rank that only keeps the others company. */
    Batch shortest() {
        int end = starts.get(1);
        return new Batch(
                1,
                end,
                Arrays.copyOf(row.inputIds(), end),
                Arrays.copyOf(row.attentionMask(), end),
                Arrays.copyOf(row.labels(), end));
    }
}
