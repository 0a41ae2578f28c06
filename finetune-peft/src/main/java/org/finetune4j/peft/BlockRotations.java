package org.finetune4j.peft;

import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Orthogonal matrices in blocks along a diagonal. */
public final class BlockRotations {

    private BlockRotations() {}

    /**
     * Cayley's formula {@code (I - Q) (I + Q)^-1}, orthogonal where Q is skew-symmetric.
     *
     * @param q [blocks, size, size]
     * @return [blocks, size, size]
     */
    public static Tensor cayley(Tensor q) {
        Tensor identity = identity(q);
        return identity.sub(q).matmul(LinearAlgebra.inverse(identity.add(q)));
    }

    /**
     * Identities of the shape, type and device of another tensor.
     *
     * @param like [blocks, size, size]
     * @return [blocks, size, size], not to be changed
     */
    public static Tensor identity(Tensor like) {
        int size = Math.toIntExact(like.size(2));
        float[] values = new float[size * size];
        for (int i = 0; i < size; i++) {
            values[i * size + i] = 1;
        }
        return Tensors.of(values, 1, size, size)
                .to(like.dtype())
                .to(like.device())
                .expand(like.shape());
    }

    /**
     * Multiplies every row by the matrix whose diagonal the blocks are.
     *
     * @param rows [..., in]
     * @param blocks [in / size, size, size], or [1, size, size] for the same one everywhere
     * @return [..., in]
     */
    public static Tensor turn(Tensor rows, Tensor blocks) {
        long[] shape = rows.shape();
        long size = blocks.size(1);
        Tensor cut = rows.reshape(-1, shape[shape.length - 1] / size, size).transpose(0, 1); // [blocks, rows, size]
        return cut.matmul(blocks).transpose(0, 1).reshape(shape);
    }
}
