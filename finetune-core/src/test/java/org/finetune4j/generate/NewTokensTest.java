package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BiFunction;
import org.finetune4j.generate.RowPass.Segment;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.RotaryFrequencies;
import org.finetune4j.nn.Rotation;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is done in Java for one new token of every row is what libtorch does for any, to the last digit. */
class NewTokensTest {

    private static final int HEAD_DIM = 8;

    private static CausalLM model;

    @BeforeAll
    static void load() throws IOException {
        model = CausalLM.load(Path.of("src/test/resources/goldens/arch/llama"));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    /** A cache with rows of 3 and 5 tokens, the second of which has a longer text to come and another block with it. */
    private static final class Rows implements AutoCloseable {

        private final RowCache cache = new RowCache(1000, 0);
        private final List<DecoderRow> rows = List.of(row(), row());

        Rows(int room, Attention attention, SequenceContext context) {
            cache.add(rows.get(0), 60);
            cache.add(rows.get(1), room);
            int[] lengths = {3, 5};
            begin(lengths);
            Tensor keys = numbers(8, attention.kvHeads(), 0.3);
            cache.attend(0, numbers(8, attention.heads(), 0.7), keys, keys.mul(2), attention, context);
            for (int i = 0; i < lengths.length; i++) {
                rows.get(i).setRead(lengths[i], lengths[i]);
            }
        }

        private static DecoderRow row() {
            return new DecoderRow(new TokenSequence(new int[] {1}), null);
        }

        void begin(int... counts) {
            cache.begin(new RowPass(
                    model.network(),
                    Device.CPU,
                    cache.blocks(),
                    List.of(new Segment(rows.get(0), counts[0]), new Segment(rows.get(1), counts[1]))));
        }

        /** What two tokens see after two others were kept, and what keys there are then. */
        List<float[]> decode(BiFunction<RowCache, Integer, Tensor> attend) {
            begin(1, 1);
            float[] first = attend.apply(cache, 0).toFloatArray();
            rows.forEach(row -> row.setRead(row.read() + 1, row.keys + 1));
            begin(1, 1);
            return List.of(first, attend.apply(cache, 1).toFloatArray());
        }

        @Override
        public void close() {
            cache.close();
        }
    }

    private static Tensor numbers(int tokens, int heads, double step) {
        return Tensors.arange((long) tokens * heads * HEAD_DIM, Device.CPU)
                .to(DType.FLOAT32)
                .mul(step)
                .sin()
                .view(tokens, 1, heads, HEAD_DIM);
    }

    /** Parts of one product, as projections that are applied together give them. */
    private static List<Tensor> projected(int step, Attention attention) {
        long queries = (long) attention.heads() * HEAD_DIM;
        long keys = (long) attention.kvHeads() * HEAD_DIM;
        Tensor all = Tensors.arange(2 * (queries + 2 * keys), Device.CPU)
                .to(DType.FLOAT32)
                .mul(0.11 + step)
                .cos()
                .view(2, 1, queries + 2 * keys);
        return List.of(all.narrow(2, 0, queries), all.narrow(2, queries, keys), all.narrow(2, queries + keys, keys));
    }

    private static SequenceContext context(int step, int rotated) {
        Rotation rotation = rotated == 0
                ? null
                : Rotation.of(
                        RotaryFrequencies.standard(rotated, 10_000),
                        new int[] {3 + step, 5 + step},
                        2,
                        Device.CPU,
                        DType.FLOAT32);
        return new SequenceContext(Tensors.arange(2, Device.CPU), rotation, null, null);
    }

    @ParameterizedTest
    @CsvSource({
        // heads, heads of keys, rotated elements, room of the second row: in the block of the first, in another
        "4, 2, 8, 60",
        "4, 4, 8, 60",
        "4, 1, 4, 60",
        "2, 2, 0, 60",
        "4, 2, 8, 300"
    })
    void theirKeysAndWhatTheySeeAreTheSame(int heads, int kvHeads, int rotated, int room) {
        Torch.setThreads(1);
        Attention attention = new Attention(heads, kvHeads, HEAD_DIM, 0.3, 0);
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open();
                Rows quick = new Rows(room, attention, context(0, 0));
                Rows plain = new Rows(room, attention, context(0, 0))) {
            List<float[]> actual = quick.decode((cache, step) -> {
                List<Tensor> parts = projected(step, attention);
                return cache.rotateAndAttend(
                        0, parts.get(0), parts.get(1), parts.get(2), attention, context(step, rotated));
            });
            List<float[]> expected = plain.decode((cache, step) -> {
                SequenceContext context = context(step, rotated);
                Rotation rotation = context.view(attention.kind()).rotation();
                List<Tensor> parts = projected(step, attention);
                Tensor query = parts.get(0).view(2, 1, heads, HEAD_DIM);
                Tensor keys = parts.get(1).view(2, 1, kvHeads, HEAD_DIM);
                Tensor values = parts.get(2).view(2, 1, kvHeads, HEAD_DIM);
                return cache.attend(
                        0,
                        rotation == null ? query : rotation.apply(query),
                        rotation == null ? keys : rotation.apply(keys),
                        values,
                        attention,
                        context);
            });
            for (int i = 0; i < expected.size(); i++) {
                assertArrayEquals(expected.get(i), actual.get(i), "token " + i);
            }
            for (int i = 0; i < 2; i++) {
                assertArrayEquals(
                        plain.cache.blocks().get(0).layer(0).keys().toFloatArray(),
                        quick.cache.blocks().get(0).layer(0).keys().toFloatArray());
            }
            assertEquals(2, expected.size());
        }
    }
}
