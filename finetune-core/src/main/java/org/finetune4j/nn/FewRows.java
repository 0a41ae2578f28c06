package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.InnerProduct;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;

/**
 * Products of a weight with few rows, as decoding makes them. Reading the weight is all their time, and libtorch's matrix
 * product reads it with one thread when there are so few rows. Where {@link InnerProduct} is the faster one it is asked; else the
 * weight is cut into one part a thread, as a batch of products, and is read by all threads.
 */
final class FewRows {

    /** With more rows libtorch's own product is as fast. */
    private static final int MOST_ROWS = 16;

    /** A smaller weight is read before another thread has begun. */
    private static final long SMALLEST_WEIGHT = 1 << 16;

    /** Converted values that stay in the cache between being made and being multiplied. */
    private static final long TILE = 1L << 19;

    private FewRows() {}

    /** Whether {@link #multiply} is the faster way: nothing is recorded for a backward pass, and the rows are few. */
    static boolean isFaster(Tensor x, Tensor weight) {
        return !Autograd.isEnabled()
                && x.dtype() == DType.FLOAT32
                && x.device().equals(Device.CPU)
                && weight.numel() >= SMALLEST_WEIGHT
                && x.numel() <= MOST_ROWS * weight.size(1)
                && (isWhole(x, weight) || (Torch.threads() > 1 && weight.size(0) % Torch.threads() == 0));
    }

    /**
     * Whether {@link #multiplyInTiles} is the faster way: the weight is stored in fewer bits than the rows, and would be written and read
     * again in theirs.
     */
    static boolean isFasterInTiles(Tensor x, Tensor weight) {
        return !Autograd.isEnabled()
                && x.dtype() == DType.FLOAT32
                && weight.dtype().itemSize() < DType.FLOAT32.itemSize()
                && x.device().equals(Device.CPU)
                && weight.numel() > TILE
                && isWhole(x, weight);
    }

    /**
     * {@code x W^T} with a weight in another type, a part of which is converted and multiplied while it is in the processor's cache.
     *
     * @param x [..., in] float32
     * @param weight [out, in] for which {@link #isFasterInTiles} holds
     * @return [..., out]
     */
    static Tensor multiplyInTiles(Tensor x, Tensor weight) {
        long out = weight.size(0);
        long in = weight.size(1);
        long most = Math.max(1, TILE / in);
        long[] shape = x.shape();
        shape[shape.length - 1] = out;
        try (TensorScope scope = TensorScope.open()) {
            Tensor rows = x.reshape(-1, in); // [rows, in]
            List<Tensor> products = new ArrayList<>();
            for (long start = 0; start < out; start += most) {
                Tensor tile = weight.narrow(0, start, Math.min(most, out - start)); // [tile, in]
                Tensor converted = tile.to(x.dtype());
                products.add(InnerProduct.of(rows, converted)); // [rows, tile]
                converted.close();
            }
            return scope.keep(Tensors.cat(products, 1).view(shape)); // [..., out]
        }
    }

    private static boolean isWhole(Tensor x, Tensor weight) {
        return InnerProduct.isFaster(x.numel() / weight.size(1)) && weight.isContiguous();
    }

    /**
     * {@code x W^T}.
     *
     * @param x [..., in]
     * @param weight [out, in] for which {@link #isFaster} holds
     * @return [..., out]
     */
    static Tensor multiply(Tensor x, Tensor weight) {
        int threads = Torch.threads();
        long out = weight.size(0);
        long in = weight.size(1);
        long[] shape = x.shape();
        shape[shape.length - 1] = out;
        if (isWhole(x, weight)) {
            return InnerProduct.of(x.reshape(-1, in), weight).view(shape); // [..., out]
        }
        Tensor rows = x.reshape(1, -1, in); // [1, rows, in]
        return rows.expand(threads, rows.size(1), in) // [threads, rows, in]
                .matmul(weight.reshape(threads, out / threads, in).transpose(1, 2)) // [threads, rows, out / threads]
                .transpose(0, 1) // [rows, threads, out / threads]
                .reshape(shape); // [..., out]
    }
}
