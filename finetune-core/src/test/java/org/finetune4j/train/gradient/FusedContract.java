package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collection;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Pointer;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.fused.FusedLayers;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;

/** Layers that go back by formula give autograd's losses and gradients. */
public final class FusedContract {

    /** What a batch consists of. */
    public enum Rows {
        /** Two rows without padding. */
        WHOLE,
        /** One row. */
        ONE,
        /** Five rows, more than there are heads of keys. */
        FIVE,
        /** Padding on the right. */
        PADDED,
        /** Padding on the left. */
        PADDED_LEFT,
        /** Several sequences in every row. */
        PACKED,
        /** Two answers after one prompt, in one row. */
        BRANCHES
    }

    private static final int SEQ = 24;

    private FusedContract() {}

    /** Random tokens, labels on most of them. */
    public static Batch batch(Rows rows, int vocabulary) {
        int count = rows == Rows.ONE ? 1 : rows == Rows.FIVE ? 5 : 2;
        SplittableRandom random = new SplittableRandom(rows.ordinal());
        int[] ids = random.ints((long) count * SEQ, 3, vocabulary).toArray();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        int[] labels = ids.clone();
        int[] positions = null;
        for (int i = 0; i < ids.length; i++) {
            int t = i % SEQ;
            boolean padding = i >= SEQ && ((rows == Rows.PADDED && t >= 15) || (rows == Rows.PADDED_LEFT && t < 9));
            mask[i] = (byte) (padding ? 0 : 1);
            labels[i] = (padding || t < 3) ? Sample.IGNORE_INDEX : ids[i];
        }
        if (rows == Rows.PACKED) {
            positions = IntStream.range(0, ids.length)
                    .map(i -> i % SEQ < 7 ? i % SEQ : i % SEQ < 8 ? 0 : i % SEQ - 8)
                    .toArray();
        } else if (rows == Rows.BRANCHES) {
            positions = IntStream.range(0, ids.length)
                    .map(i -> i % SEQ < 16 ? i % SEQ : i % SEQ - 8)
                    .toArray();
        }
        return new Batch(count, SEQ, ids, mask, labels, positions);
    }

    /**
     * Compares two steps, whose gradients add up.
     *
     * @param trained all parameters that train
     * @param taken how many passes through a layer go by formula, or -1 for all
     */
    public static void check(
            CausalLM model, Collection<Parameter> trained, Batch batch, int everyLayers, float tolerance, int taken) {
        Map<String, Parameter> named = new TreeMap<>();
        trained.forEach(parameter -> named.put(parameter.name(), parameter));
        LossHead head = LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens());
        Backpropagation byAutograd =
                new Backpropagation(model, new GradientCheckpointing(everyLayers)).with(SegmentFactory.autograd());
        double loss = byAutograd.run(batch.modelInputs(), head);
        byAutograd.run(batch.modelInputs(), head);
        Map<String, float[]> expected = NamedGradients.of(named);
        trained.forEach(Parameter::clearGrad);
        AtomicInteger known = new AtomicInteger();
        Backpropagation fused = byAutograd.with((SegmentFactory) layer -> {
            var segment = new FusedLayers().segment(layer);
            segment.ifPresent(present -> known.incrementAndGet());
            return segment;
        });
        assertEquals(loss, fused.run(batch.modelInputs(), head), tolerance);
        long handles = Pointer.totalCount();
        fused.run(batch.modelInputs(), head);
        long left = Pointer.totalCount() - handles;
        assertTrue(left <= 0, left + " handles are left to the collector, which may not come for long");
        NamedGradients.assertSame(expected, NamedGradients.of(named), tolerance);
        assertEquals(
                byAutograd.evaluate(batch.modelInputs(), head), fused.evaluate(batch.modelInputs(), head), tolerance);
        int layers = model.network().layers().size();
        assertEquals(3 * (taken < 0 ? layers : taken), known.get(), "layers by formula");
    }
}
