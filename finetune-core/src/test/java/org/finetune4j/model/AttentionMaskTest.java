package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.AttentionView;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.SequenceRun;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.jspecify.annotations.Nullable;

/** Attention under every mask is the plain formula over the tokens that a token may see. */
class AttentionMaskTest {

    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final int HEAD_DIM = 8;
    private static final double SCALE = 0.4;

    /** What may be seen, said once more in the simplest way. */
    private interface Rule {
        boolean sees(int row, int query, int key);
    }

    @Property(tries = 60)
    void paddedRowsWithAWindow(
            @ForAll @IntRange(min = 1, max = 3) int batch,
            @ForAll @IntRange(min = 1, max = 12) int seq,
            @ForAll @IntRange(min = 1, max = 14) int window,
            @ForAll boolean causal,
            @ForAll boolean left,
            @ForAll boolean capped,
            @ForAll long seed) {
        Random random = new Random(seed);
        byte[] mask = new byte[batch * seq];
        for (int row = 0; row < batch; row++) {
            int real = 1 + random.nextInt(seq);
            int start = left ? seq - real : 0;
            Arrays.fill(mask, row * seq + start, row * seq + start + real, (byte) 1);
        }
        ModelInputs inputs = new ModelInputs(batch, seq, new int[batch * seq], mask, null);
        assertPlain(
                inputs,
                causal,
                window,
                capped ? 3 : 0,
                (row, query, key) ->
                        mask[row * seq + key] == 1 && (!causal || key <= query) && Math.abs(query - key) < window);
    }

    @Property(tries = 40)
    void packedSequencesDoNotSeeEachOther(
            @ForAll @IntRange(min = 1, max = 3) int batch,
            @ForAll @IntRange(min = 2, max = 12) int seq,
            @ForAll @IntRange(min = 1, max = 14) int window,
            @ForAll boolean causal,
            @ForAll long seed) {
        Random random = new Random(seed);
        int[] positions = new int[batch * seq];
        int[] block = new int[batch * seq];
        for (int at = 0; at < positions.length; at++) {
            boolean starts = at % seq == 0 || random.nextInt(4) == 0;
            positions[at] = starts ? 0 : positions[at - 1] + 1;
            block[at] = starts ? at : block[at - 1];
        }
        byte[] mask = new byte[batch * seq];
        Arrays.fill(mask, (byte) 1);
        ModelInputs inputs = new ModelInputs(batch, seq, new int[batch * seq], mask, positions);
        assertPlain(
                inputs,
                causal,
                window,
                0,
                (row, query, key) -> block[row * seq + key] == block[row * seq + query]
                        && (!causal || key <= query)
                        && Math.abs(query - key) < window);
    }

    @Property(tries = 60)
    void branchesSeeWhatTheyShareAndThemselves(
            @ForAll @IntRange(min = 1, max = 3) int batch,
            @ForAll @IntRange(min = 2, max = 14) int seq,
            @ForAll @IntRange(min = 1, max = 30) int window,
            @ForAll boolean capped,
            @ForAll long seed) {
        Random random = new Random(seed);
        int[] positions = new int[batch * seq];
        BitSet[] seen = new BitSet[batch * seq]; // by place in the row
        int trunk = 0;
        int reached = 0;
        for (int at = 0; at < positions.length; at++) {
            int choice = at % seq == 0 ? 0 : random.nextInt(6);
            boolean grows = choice > 1;
            boolean branches = choice == 1 && positions[at - 1] > 0 && reached > 0;
            int back = branches ? 1 + random.nextInt(reached) : 0;
            if (branches && back == positions[at - 1] + 1) {
                grows = true; // that is how the run would go on anyway
            }
            if (grows) {
                positions[at] = positions[at - 1] + 1;
                seen[at] = (BitSet) seen[at - 1].clone();
                reached =
                        seen[at].get(trunk) && seen[at].cardinality() == at % seq - trunk ? positions[at] + 1 : reached;
            } else if (branches) {
                positions[at] = back;
                seen[at] = new BitSet();
                seen[at].set(trunk, trunk + back);
            } else {
                seen[at] = new BitSet();
                trunk = at % seq;
                reached = 1;
            }
            seen[at].set(at % seq);
        }
        byte[] mask = new byte[batch * seq];
        Arrays.fill(mask, (byte) 1);
        ModelInputs inputs = new ModelInputs(batch, seq, new int[batch * seq], mask, positions);
        assertPlain(
                inputs,
                true,
                window,
                capped ? 3 : 0,
                (row, query, key) -> seen[row * seq + query].get(key)
                        && positions[row * seq + query] - positions[row * seq + key] < window);
    }

    private static void assertPlain(ModelInputs inputs, boolean causal, int window, double cap, Rule rule) {
        assertPlain(inputs, causal, window, cap, rule, null);
        List<SequenceRun> runs = causal ? SequenceRuns.of(inputs, inputs.positions(), window, Device.CPU) : null;
        if (runs != null) {
            assertPlain(inputs, causal, window, cap, rule, runs);
        }
    }

    private static void assertPlain(
            ModelInputs inputs, boolean causal, int window, double cap, Rule rule, @Nullable List<SequenceRun> runs) {
        int batch = inputs.batchSize();
        int seq = inputs.sequenceLength();
        Torch.seed(7);
        try (TensorScope scope = TensorScope.open()) {
            Tensor query = Tensors.randn(DType.FLOAT32, Device.CPU, batch, seq, HEADS * HEAD_DIM);
            Tensor key = Tensors.randn(DType.FLOAT32, Device.CPU, batch, seq, KV_HEADS * HEAD_DIM);
            Tensor value = Tensors.randn(DType.FLOAT32, Device.CPU, batch, seq, KV_HEADS * HEAD_DIM);
            Tensor mask = runs == null ? AttentionMask.of(inputs, inputs.positions(), causal, window) : null;
            SequenceContext context = new SequenceContext(
                    Tensors.arange(seq, Device.CPU),
                    null,
                    Map.of(AttentionKind.SLIDING, new AttentionView(null, mask, causal, runs)),
                    null,
                    null,
                    null,
                    null,
                    null,
                    Dropout.OFF,
                    null,
                    null);
            float[] actual = new Attention(HEADS, KV_HEADS, HEAD_DIM, SCALE, 0)
                    .withKind(AttentionKind.SLIDING)
                    .withScale(SCALE, cap)
                    .forward(query, key, value, 0, context)
                    .toFloatArray();
            for (float element : actual) {
                assertTrue(Float.isFinite(element), "padding became no number");
            }
            float[] q = query.toFloatArray();
            float[] k = key.toFloatArray();
            float[] v = value.toFloatArray();
            for (int row = 0; row < batch; row++) {
                for (int t = 0; t < seq; t++) {
                    if (inputs.attentionMask()[row * seq + t] == 1) {
                        assertToken(q, k, v, row, t, seq, cap, rule, actual);
                    }
                }
            }
        }
    }

    private static void assertToken(
            float[] q, float[] k, float[] v, int row, int t, int seq, double cap, Rule rule, float[] actual) {
        for (int head = 0; head < HEADS; head++) {
            double[] expected = new double[HEAD_DIM];
            double sum = 0;
            for (int s = 0; s < seq; s++) {
                if (rule.sees(row, t, s)) {
                    double product = 0;
                    int queryAt = ((row * seq + t) * HEADS + head) * HEAD_DIM;
                    int keyAt = ((row * seq + s) * KV_HEADS + head / (HEADS / KV_HEADS)) * HEAD_DIM;
                    for (int d = 0; d < HEAD_DIM; d++) {
                        product += q[queryAt + d] * k[keyAt + d];
                    }
                    double score = cap == 0 ? SCALE * product : cap * Math.tanh(SCALE * product / cap);
                    sum += Math.exp(score);
                    for (int d = 0; d < HEAD_DIM; d++) {
                        expected[d] += Math.exp(score) * v[keyAt + d];
                    }
                }
            }
            for (int d = 0; d < HEAD_DIM; d++) {
                assertEquals(expected[d] / sum, actual[((row * seq + t) * HEADS + head) * HEAD_DIM + d], 1e-5);
            }
        }
    }

    @Example
    void rightPaddingNeedsNoMaskWhereTheFastestKernelIsCausal() {
        ModelInputs padded = new ModelInputs(2, 3, new int[6], new byte[] {1, 1, 1, 1, 0, 0}, null);
        assertNull(AttentionMask.of(padded, padded.positions(), true, AttentionMask.UNLIMITED));
        assertNull(AttentionMask.of(padded, padded.positions(), true, 3));
        ModelInputs full = ModelInputs.of(1, 2, 3);
        assertNull(AttentionMask.of(full, full.positions(), false, AttentionMask.UNLIMITED));
        assertNull(AttentionMask.of(full, full.positions(), false, 3));
    }

    @Example
    void rowsWithoutPaddingShareTheMaskOfAWindow() {
        ModelInputs full = new ModelInputs(2, 3, new int[6], new byte[] {1, 1, 1, 1, 1, 1}, null);
        for (boolean causal : new boolean[] {true, false}) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor mask = AttentionMask.of(full, full.positions(), causal, 2);
                assertNotNull(mask);
                assertArrayEquals(new long[] {1, 1, 3, 3}, mask.shape());
            }
        }
    }
}
