package org.finetune4j.nn;

import java.util.function.Function;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * A compressed weight with a change, such as an adapter folded in, that is calculated whenever it is used: nothing is rounded to fewer bits again, and
 * a large model never is in memory decompressed. It takes over nothing.
 */
final class CalculatedWeight implements CompressedWeight {

    private final CompressedWeight base;
    private final Function<Tensor, Tensor> fold;

    /** @param fold gives the merged weight of the base's, in its layout and in the type that it is given */
    CalculatedWeight(CompressedWeight base, Function<Tensor, Tensor> fold) {
        this.base = base;
        this.fold = fold;
    }

    @Override
    public long[] shape() {
        return base.shape();
    }

    @Override
    public DType dtype() {
        return base.dtype();
    }

    @Override
    public long bytes() {
        return base.bytes();
    }

    @Override
    public Device device() {
        return base.device();
    }

    @Override
    public Tensor decompress(DType dtype) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            DType exact = dtype.atLeastFloat32();
            return scope.keep(fold.apply(base.decompress(exact)).to(dtype));
        }
    }

    @Override
    public void decompressInto(Tensor destination) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            destination.copyInPlace(decompress(destination.dtype()));
        }
    }

    @Override
    public Tensor multiply(Tensor rows) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(rows.matmul(decompress(rows.dtype()).t()));
        }
    }

    @Override
    public CompressedWeight recompress(Tensor weight) {
        return base.recompress(weight);
    }

    @Override
    public void close() {}
}
