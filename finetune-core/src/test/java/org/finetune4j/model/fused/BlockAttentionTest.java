package org.finetune4j.model.fused;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlockAttentionTest {

    private static final double SCALE = 0.3;

    /** Lengths around a block's end, many blocks, keys before the own ones, scores that do not fit at once. */
    @ParameterizedTest(name = "{0} rows, {1} x {2} heads of {3}, {4} tokens after {5}, {6}")
    @CsvSource({
        "1, 1, 1, 4, 1, 0, CAUSAL",
        "2, 3, 2, 8, 15, 0, CAUSAL",
        "2, 1, 3, 8, 64, 0, CAUSAL",
        "1, 2, 1, 8, 65, 0, CAUSAL",
        "1, 2, 2, 4, 191, 0, CAUSAL",
        "1, 2, 2, 4, 33, 21, CAUSAL",
        "1, 1, 2, 4, 130, 70, CAUSAL",
        "1, 2, 12, 4, 700, 0, CAUSAL",
        "3, 2, 6, 4, 480, 0, CAUSAL",
        "2, 2, 1, 4, 20, 0, ALL",
        "2, 2, 2, 4, 70, 0, ALL",
        "2, 2, 2, 4, 70, 0, MASK_OF_ROWS",
        "3, 2, 4, 4, 701, 0, MASK_OF_ROWS",
        "1, 2, 2, 4, 40, 9, MASK",
        "2, 2, 2, 4, 100, 0, MASK"
    })
    void itIsThePlainFormula(long rows, long kvHeads, long group, long dim, long tokens, long shared, Seen seen) {
        BlockAttention.Sizes sizes = new BlockAttention.Sizes(rows, kvHeads, group, dim, tokens, shared);
        try (TensorScope scope = TensorScope.open()) {
            Tensor queries = random(rows, kvHeads, group, tokens, dim);
            Tensor keys = random(rows, kvHeads, shared + tokens, dim);
            Tensor values = random(rows, kvHeads, shared + tokens, dim);
            Tensor arrived = random(rows, kvHeads, group, tokens, dim);
            Tensor mask = seen.mask(sizes);
            List<Tensor> expected = plain(queries, keys, values, arrived, mask, seen, shared);
            List<Tensor> actual = byBlocks(sizes, queries, keys, values, arrived, mask, seen);
            for (int i = 0; i < expected.size(); i++) {
                float[] numbers = expected.get(i).to(DType.FLOAT32).toFloatArray();
                assertArrayEquals(numbers, actual.get(i).toFloatArray(), 5e-5f, "result " + i);
            }
        }
    }

    /** What a query sees. */
    enum Seen {
        CAUSAL,
        ALL,
        MASK,
        MASK_OF_ROWS;

        /** Half of all keys, and the own one: [rows or 1, 1, tokens, shared + tokens]. */
        private @Nullable Tensor mask(BlockAttention.Sizes sizes) {
            if (this == CAUSAL || this == ALL) {
                return null;
            }
            int tokens = (int) sizes.tokens();
            int keys = (int) sizes.shared() + tokens;
            int rows = this == MASK ? 1 : (int) sizes.rows();
            SplittableRandom random = new SplittableRandom(keys);
            byte[] mask = new byte[rows * tokens * keys];
            for (int i = 0; i < mask.length; i++) {
                boolean own = i % keys == sizes.shared() + i / keys % tokens;
                mask[i] = (byte) (own || random.nextBoolean() ? 1 : 0);
            }
            return Tensors.of(mask, rows, 1, tokens, keys).to(DType.BOOL);
        }
    }

    private static Tensor causal(long tokens, long shared) {
        int keys = (int) (shared + tokens);
        byte[] hidden = new byte[(int) tokens * keys];
        for (int i = 0; i < hidden.length; i++) {
            hidden[i] = (byte) (i % keys > shared + i / keys ? 1 : 0);
        }
        return Tensors.of(hidden, tokens, keys).to(DType.BOOL);
    }

    private static Tensor random(long... shape) {
        return Tensors.randn(DType.FLOAT32, Device.CPU, shape);
    }

    private static List<Tensor> byBlocks(
            BlockAttention.Sizes sizes,
            Tensor queries,
            Tensor keys,
            Tensor values,
            Tensor arrived,
            @Nullable Tensor mask,
            Seen seen) {
        long all = sizes.shared() + sizes.tokens();
        try (Autograd.Mode mode = Autograd.disabled();
                Arena arena = new Arena()) {
            try (Arena.Region before = arena.open()) {
                before.take(1 << 20).fillInPlace(Double.NaN); // what an earlier layer left there
            }
            try (BlockAttention blocks = new BlockAttention(arena, sizes, SCALE, mask, seen == Seen.CAUSAL)) {
                blocks.queries().read(queries);
                blocks.keys().narrow(2, 0, all).copyInPlace(keys);
                blocks.values().narrow(2, 0, all).copyInPlace(values);
                blocks.forward();
                Tensor output = Tensors.empty(DType.FLOAT32, Device.CPU, queries.shape());
                blocks.attended().write(output);
                blocks.attended().read(arrived);
                blocks.backward();
                Tensor ofQueries = Tensors.empty(DType.FLOAT32, Device.CPU, queries.shape());
                blocks.ofQueries().write(ofQueries);
                return List.of(
                        output,
                        ofQueries,
                        blocks.ofKeys().narrow(2, 0, all).copy(),
                        blocks.ofValues().narrow(2, 0, all).copy());
            }
        }
    }

    private static List<Tensor> plain(
            Tensor queries, Tensor keys, Tensor values, Tensor arrived, @Nullable Tensor mask, Seen seen, long shared) {
        Tensor q = queries.to(DType.FLOAT64).requiresGrad(true);
        Tensor k = keys.to(DType.FLOAT64).requiresGrad(true);
        Tensor v = values.to(DType.FLOAT64).requiresGrad(true);
        Tensor scores = q.matmul(k.unsqueeze(2).transpose(3, 4)).mul(SCALE); // [rows, kvHeads, group, tokens, keys]
        Tensor added = Tensors.zeros(DType.FLOAT64, Device.CPU, scores.shape());
        if (seen == Seen.CAUSAL) {
            added.maskedFillInPlace(causal(queries.size(3), shared), Double.NEGATIVE_INFINITY);
        } else if (mask != null) {
            added.maskedFillInPlace(mask.unsqueeze(2).logicalNot(), Double.NEGATIVE_INFINITY);
        }
        Tensor seenScores = scores.add(added);
        Tensor output = seenScores.softmax(-1).matmul(v.unsqueeze(2));
        Autograd.backward(output.mul(arrived.to(DType.FLOAT64)).sum());
        return List.of(output.detach(), gradient(q), gradient(k), gradient(v));
    }

    private static Tensor gradient(Tensor leaf) {
        return Objects.requireNonNull(leaf.grad());
    }
}
