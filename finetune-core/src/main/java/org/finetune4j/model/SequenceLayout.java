package org.finetune4j.model;

/**
 * What lies in the rows of a batch, told by positions alone. Where a position does not follow the one before, something new
 * begins: a branch, if the sequence that began last in the row has reached that position before, else a sequence. A branch
 * at position p continues the first p tokens of its sequence and sees nothing else of the row: answers that share a prompt
 * have its tokens once.
 *
 * <pre>
 * tokens     a b c d  x y z  v w   e f
 * positions  0 1 2 3  4 5 6  4 5   0 1
 *            prompt and     a      another
 *            first answer   second sequence
 *                           answer
 * </pre>
 */
public final class SequenceLayout {

    private final int length;
    private final int[] start;
    private final int[] sharedFrom;
    private final int[] sharedTo;

    private SequenceLayout(int size, int length) {
        this.length = length;
        this.start = new int[size];
        this.sharedFrom = new int[size];
        this.sharedTo = new int[size];
    }

    /**
     * Reads the positions of a batch.
     *
     * @param inputs the batch
     * @return its layout
     */
    public static SequenceLayout of(ModelInputs inputs) {
        return of(inputs, inputs.positions());
    }

    static SequenceLayout of(ModelInputs inputs, int[] positions) {
        int seq = inputs.sequenceLength();
        SequenceLayout layout = new SequenceLayout(positions.length, seq);
        for (int row = 0; row < inputs.batchSize(); row++) {
            layout.read(positions, inputs.attentionMask(), row * seq);
        }
        return layout;
    }

    private void read(int[] positions, byte[] real, int row) {
        int trunk = 0; // where the last sequence began
        int trunkEnd = 1;
        boolean inTrunk = true;
        for (int t = 1; t < length; t++) {
            int at = row + t;
            if (positions[at] == positions[at - 1] + 1) {
                start[at] = start[at - 1];
                sharedFrom[at] = sharedFrom[at - 1];
                sharedTo[at] = sharedTo[at - 1];
                trunkEnd = inTrunk ? t + 1 : trunkEnd;
                continue;
            }
            start[at] = t;
            int seen = positions[at] - positions[row + trunk];
            inTrunk = real[at] == 0 || seen <= 0 || seen > trunkEnd - trunk;
            if (inTrunk) {
                trunk = t;
                trunkEnd = t + 1;
            } else {
                sharedFrom[at] = trunk;
                sharedTo[at] = trunk + seen;
            }
        }
    }

    /**
     * Where the run of tokens begins that a token is in: its sequence, or its branch.
     *
     * @param at number of the token in the batch, row after row
     * @return its place in the row
     */
    public int start(int at) {
        return start[at];
    }

    /**
     * Where the tokens begin that a branch shares with its sequence.
     *
     * @param at number of a token in the batch
     * @return their place in the row; equal to {@link #sharedTo} for a token of no branch
     */
    public int sharedFrom(int at) {
        return sharedFrom[at];
    }

    /**
     * Where the tokens end that a branch shares with its sequence.
     *
     * @param at number of a token in the batch
     * @return the place in the row after the last of them
     */
    public int sharedTo(int at) {
        return sharedTo[at];
    }

    /**
     * The token that a token comes after, whose output foretells it.
     *
     * @param at number of a token in the batch
     * @return its number in the batch, or -1 where a sequence begins
     */
    public int before(int at) {
        int t = at % length;
        if (start[at] != t) {
            return at - 1;
        }
        return sharedTo[at] > sharedFrom[at] ? at - t + sharedTo[at] - 1 : -1;
    }

    /**
     * Whether any token is in a branch.
     *
     * @return whether tokens are shared
     */
    public boolean branches() {
        for (int to : sharedTo) {
            if (to > 0) {
                return true;
            }
        }
        return false;
    }
}
