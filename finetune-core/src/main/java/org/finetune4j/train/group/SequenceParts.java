package org.finetune4j.train.group;

import java.util.ArrayList;
import java.util.Arrays;
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
     * The tokens of a part.
     *
     * @param place of the part
     * @param parts how many there are
     * @return places in the row, none where there are fewer sequences than parts; those without a label of their own are negative, less one
     */
    private int[] tokens(int place, int parts) {
        long length = row.sequenceLength();
        List<Integer> own = new ArrayList<>();
        int held = -1; // the sequence whose beginning this part has
        for (int i = 0; i + 1 < starts.size(); i++) {
            int start = starts.get(i);
            int end = starts.get(i + 1);
            if ((start + (long) end) / 2 * parts / length != place) {
                continue;
            }
            if (layout.sharedTo(start) > layout.sharedFrom(start) && held != layout.sharedFrom(start)) {
                for (int at = layout.sharedFrom(start); at < layout.sharedTo(start); at++) {
                    own.add(-at - 1);
                }
                held = layout.sharedFrom(start);
            }
            for (int at = start; at < end; at++) {
                own.add(at);
                if (layout.start(at) == at && layout.sharedTo(at) == layout.sharedFrom(at)) {
                    held = at;
                }
            }
        }
        return own.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * A part.
     *
     * @param place of the part
     * @param parts how many there are
     * @return its tokens in a row, and where they were; without tokens where there are fewer sequences than parts
     */
    Part part(int place, int parts) {
        int[] found = tokens(place, parts);
        int[] ids = new int[found.length];
        byte[] mask = new byte[found.length];
        int[] labels = new int[found.length];
        int[] positions = new int[found.length];
        int[] known = row.positionIds();
        long[] places = new long[found.length];
        for (int i = 0; i < found.length; i++) {
            int at = found[i] < 0 ? -found[i] - 1 : found[i];
            ids[i] = row.inputIds()[at];
            mask[i] = row.attentionMask()[at];
            labels[i] = found[i] < 0 ? Sample.IGNORE_INDEX : row.labels()[at];
            positions[i] = known == null ? at : known[at];
            places[i] = at;
        }
        return new Part(places, ids, mask, labels, positions);
    }

    /**
     * Some tokens of a row.
     *
     * @param places of theirs in it
     * @param ids of the tokens
     * @param mask 1 for a real one
     * @param labels those of the row, but for what another part learns
     * @param positions those of the row
     */
    record Part(long[] places, int[] ids, byte[] mask, int[] labels, int[] positions) {

        boolean isEmpty() {
            return ids.length == 0;
        }

        Batch batch() {
            return new Batch(1, ids.length, ids, mask, labels, positions);
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
