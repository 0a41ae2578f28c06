package org.finetune4j.nn;

import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Torch;

/**
 * Products of a weight with few rows, as decoding makes them. Reading the weight is all their time, and libtorch's matrix
 * product reads it with one thread when there are so few rows. Cut into one part a thread, as a batch of products, it is
 * read by all threads: the numbers are the same, the memory's whole speed is used.
 */
final class FewRows {

    /** With more rows libtorch's own product is as fast. */
    private static final int MOST_ROWS = 16;

    /** A smaller weight is read before another thread has begun. */
    private static final long SMALLEST_WEIGHT = 1 << 16;

    private FewRows() {}

    /** Whether {@link #multiply} is the faster way: nothing is recorded for a backward pass, and the rows are few. */
    static boolean isFaster(Tensor x, Tensor weight) {
        return !Autograd.isEnabled()
                && x.dtype() == DType.FLOAT32
                && x.device().equals(Device.CPU)
                && weight.numel() >= SMALLEST_WEIGHT
                && x.numel() <= MOST_ROWS * weight.size(1)
                && Torch.threads() > 1
                && weight.size(0) % Torch.threads() == 0;
    }

    /**
     * {@code x W^T}.
     *
     * @param x [..., in]
     * @param weight [out, in], whose {@code out} is a multiple of the number of threads
     * @return [..., out]
     */
    static Tensor multiply(Tensor x, Tensor weight) {
        int threads = Torch.threads();
        long out = weight.size(0);
        long in = weight.size(1);
        long[] shape = x.shape();
        shape[shape.length - 1] = out;
        Tensor rows = x.reshape(1, -1, in); // [1, rows, in]
        return rows.expand(threads, rows.size(1), in) // [threads, rows, in]
                .matmul(weight.reshape(threads, out / threads, in).transpose(1, 2)) // [threads, rows, out / threads]
                .transpose(0, 1) // [rows, threads, out / threads]
                .reshape(shape); // [..., out]
    }
}
