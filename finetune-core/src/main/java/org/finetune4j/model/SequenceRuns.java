package org.finetune4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.nn.SequenceRun;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * What the rows of a batch consist of, where there are several sequences in one or some of it is shared. A mask of such rows would
 * be mostly closed: it grows with the square of the row, the runs with what is seen.
 */
final class SequenceRuns {

    private SequenceRuns() {}

    /**
     * The runs of a batch.
     *
     * @param positions [batch, seq]
     * @param window how many tokens a token sees at most, itself and those before it
     * @return all runs in their order; null where a mask is needed (there is padding before tokens), or every row is one
     *     sequence
     */
    static @Nullable List<SequenceRun> of(ModelInputs inputs, int[] positions, int window, Device device) {
        SequenceLayout layout = SequenceLayout.of(inputs, positions);
        int seq = inputs.sequenceLength();
        byte[] real = inputs.attentionMask();
        if (isPaddedBefore(inputs) || !(layout.branches() || isPacked(layout, real, seq))) {
            return null;
        }
        int[] number = new int[positions.length]; // of the run that a token is in
        List<SequenceRun> runs = new ArrayList<>();
        for (int at = 0; at < positions.length; ) {
            int end = at + 1;
            // Padding after tokens belongs to them: none of them sees it.
            while (end % seq != 0 && (layout.start(end) == layout.start(at) || real[end] == 0)) {
                end++;
            }
            Arrays.fill(number, at, end, runs.size());
            int shared = layout.sharedTo(at) - layout.sharedFrom(at);
            runs.add(new SequenceRun(
                    end - at,
                    shared == 0 ? runs.size() : number[at / seq * seq + layout.sharedFrom(at)],
                    shared,
                    shared == 0 && end - at <= window ? null : mask(end - at, shared, window, device)));
            at = end;
        }
        return runs;
    }

    private static boolean isPaddedBefore(ModelInputs inputs) {
        byte[] real = inputs.attentionMask();
        for (int at = 1; at < real.length; at++) {
            if (at % inputs.sequenceLength() > 0 && real[at] > real[at - 1]) {
                return true;
            }
        }
        return false;
    }

    /** Whether a sequence begins within a row. */
    private static boolean isPacked(SequenceLayout layout, byte[] real, int seq) {
        for (int at = 0; at < real.length; at++) {
            if (real[at] == 1 && at % seq > 0 && layout.start(at) == at % seq) {
                return true;
            }
        }
        return false;
    }

    /** All of what is shared, and of the branch what is not later, as far back as the window: boolean [length, shared + length]. */
    private static Tensor mask(int length, int shared, int window, Device device) {
        byte[] mask = new byte[length * (shared + length)];
        for (int query = 0; query < length; query++) {
            int line = query * (shared + length);
            int far = Math.max(0, shared + query + 1 - Math.min(window, shared + query + 1));
            Arrays.fill(mask, line + far, line + shared + query + 1, (byte) 1);
        }
        return Tensors.of(mask, length, shared + length).to(DType.BOOL).to(device);
    }
}
