package org.finetune4j.tensor;

import java.util.Arrays;
import org.bytedeco.pytorch.Scalar;
import org.jspecify.annotations.Nullable;

/**
 * An n-dimensional array in native memory, with the semantics of PyTorch's tensor of the same operations: views share
 * memory, methods ending in {@code InPlace} change this tensor, everything else returns a new one.
 *
 * <p>A tensor belongs to the innermost open {@link TensorScope} of the thread that makes it and is freed with it, or by
 * {@link #close()}. Any use after that is an {@link IllegalStateException}. Shapes and dtypes that do not fit are a
 * {@link TensorException} that names every operand. Instances are not thread-safe.
 */
public final class Tensor extends ReductionOperations {

    private Tensor(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
        TensorScope innermost = TensorScope.innermost();
        if (innermost != null) {
            innermost.add(this);
        }
    }

    static Tensor wrap(org.bytedeco.pytorch.Tensor handle) {
        return new Tensor(handle);
    }

    /**
     * Takes this tensor out of its scope: it lives until {@link #close()}.
     *
     * @return this
     */
    public Tensor unscoped() {
        detachFromScope();
        return this;
    }

    /**
     * Whether both are views of the very same native tensor.
     *
     * @param other another tensor
     * @return true for two handles of one tensor, false for two views of one memory
     */
    public boolean isSame(Tensor other) {
        return handle().is_same(other.handle());
    }

    // ---- autograd ----

    /** {@return whether autograd records what is done with this tensor} */
    public boolean requiresGrad() {
        return handle().requires_grad();
    }

    /**
     * Marks a leaf as (not) wanting a gradient.
     *
     * @param requiresGrad whether it does
     * @return this
     */
    public Tensor requiresGrad(boolean requiresGrad) {
        handle().set_requires_grad(requiresGrad);
        return this;
    }

    /**
     * The accumulated gradient, which shares memory with the real one.
     *
     * @return the gradient, or null where there is none
     */
    public @Nullable Tensor grad() {
        org.bytedeco.pytorch.Tensor gradient = handle().mutable_grad();
        return gradient.defined() ? wrap(gradient.detach()) : null;
    }

    /**
     * Adds to the accumulated gradient of a leaf, as a backward pass by autograd does.
     *
     * @param gradient of this shape and type; its memory becomes the gradient where there is none yet
     * @throws TensorException when it is of another shape or type
     */
    public void addGrad(Tensor gradient) {
        if (!Arrays.equals(gradient.shape(), shape()) || gradient.dtype() != dtype()) {
            throw new TensorException(gradient.describe() + " is no gradient of " + describe());
        }
        org.bytedeco.pytorch.Tensor present = handle().mutable_grad();
        try (Autograd.Mode mode = Autograd.disabled()) {
            if (present.defined()) {
                present.add_(gradient.handle());
            } else {
                // Closed here: whoever waits for the collector holds the whole gradient.
                try (org.bytedeco.pytorch.Tensor own = gradient.handle().detach()) {
                    present.put(own);
                }
            }
        }
    }

    /** Drops the accumulated gradient and its memory. */
    public void clearGrad() {
        org.bytedeco.pytorch.Tensor gradient = handle().mutable_grad();
        if (gradient.defined()) {
            gradient.reset();
        }
    }

    /**
     * The same memory, cut off from the graph.
     *
     * @return a view without history
     */
    public Tensor detach() {
        return wrap(handle().detach());
    }

    /**
     * The same memory with a history of its own: autograd does not take writing into one of the two for a change of the
     * other. For memory that is filled before each use with what was in it.
     *
     * @return a view without history, which is no view to autograd
     */
    public Tensor alias() {
        return wrap(handle().variable_data());
    }

    // ---- dtype, device, copies ----

    /**
     * This tensor when it already has the dtype, else a converted copy (round to nearest even).
     *
     * @param dtype the type wanted
     * @return this or a copy
     */
    public Tensor to(DType dtype) {
        return dtype() == dtype ? this : unary(() -> "to " + dtype, x -> x.to(dtype.scalarType()));
    }

    /**
     * This tensor when it is already there, else a copy on {@code device}.
     *
     * @param device the device wanted
     * @return this or a copy
     */
    public Tensor to(Device device) {
        if (device().equals(device)) {
            return this;
        }
        return unary(() -> "to " + device, x -> {
            try (org.bytedeco.pytorch.Device target = device.nativeDevice()) {
                return x.to(target, x.scalar_type());
            }
        });
    }

    /**
     * A copy with its own memory.
     *
     * @return a new tensor of the same values
     */
    public Tensor copy() {
        return unary("copy", org.bytedeco.pytorch.Tensor::clone);
    }

    /**
     * Copies another tensor's values into this one, converting and broadcasting.
     *
     * @param source where they come from
     * @return this
     */
    public Tensor copyInPlace(Tensor source) {
        return inPlace("copyInPlace", source, (x, y) -> x.copy_(y));
    }

    // ---- products ----

    /**
     * The product of matrices, of stacks of matrices, or with vectors, as {@code torch.matmul}.
     *
     * @param other the right factor, [..., k, n]
     * @return [..., m, n] for this tensor of [..., m, k]
     */
    public Tensor matmul(Tensor other) {
        return MatrixProducts.multipliable(this)
                .binary("matmul", MatrixProducts.multipliable(other), (x, y) -> x.matmul(y));
    }

    /**
     * Product of two matrices.
     *
     * @param other the right factor, [k, n]
     * @return [m, n] for this tensor of [m, k]
     */
    public Tensor mm(Tensor other) {
        return MatrixProducts.multipliable(this).binary("mm", MatrixProducts.multipliable(other), (x, y) -> x.mm(y));
    }

    /**
     * {@code this += scale * left x right}, all matrices.
     *
     * @param left [m, k]
     * @param right [k, n]
     * @param scale factor of the product
     * @return this, [m, n]
     */
    public Tensor addMatrixProductInPlace(Tensor left, Tensor right, double scale) {
        try (Scalar beta = new Scalar(1.0);
                Scalar alpha = new Scalar(scale)) {
            handle().addmm_(left.handle(), right.handle(), beta, alpha);
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of("addMatrixProductInPlace", e, this, left, right);
        }
    }

    // ---- indexing ----

    /**
     * Rows (or other slices) of one dimension by an int64 vector of positions.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param index [n] int64
     * @return a copy with length n in that dimension
     */
    public Tensor indexSelect(int dimension, Tensor index) {
        return binary("indexSelect", index, (x, i) -> x.index_select(dimension, i));
    }

    /**
     * {@code result[i][j] = this[i][index[i][j]]} for dimension 1, and likewise for others.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param index int64, as many dimensions as this
     * @return a tensor of the index's shape
     */
    public Tensor gather(int dimension, Tensor index) {
        return binary("gather", index, (x, i) -> x.gather(dimension, i));
    }

    /**
     * Adds slices of another tensor to this tensor's slices at given positions.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param index [n] int64, repetitions allowed
     * @param source as this tensor, with length n in that dimension
     * @return this
     */
    public Tensor indexAddInPlace(int dimension, Tensor index, Tensor source) {
        try {
            handle().index_add_(dimension, index.handle(), source.handle());
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of("indexAddInPlace", e, this, index, source);
        }
    }

    /**
     * Puts slices of another tensor in the place of this tensor's slices at given positions.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param index [n] int64, without repetitions
     * @param source as this tensor, with length n in that dimension
     * @return this
     */
    public Tensor indexCopyInPlace(int dimension, Tensor index, Tensor source) {
        try {
            handle().index_copy_(dimension, index.handle(), source.handle());
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of("indexCopyInPlace", e, this, index, source);
        }
    }

    /**
     * Adds another tensor's elements to this tensor's at given positions, as {@code torch.scatter_add_}.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param index int64, of the source's shape
     * @param source what is added
     * @return this
     */
    public Tensor scatterAddInPlace(int dimension, Tensor index, Tensor source) {
        try {
            handle().scatter_add_(dimension, index.handle(), source.handle());
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of("scatterAddInPlace", e, this, index, source);
        }
    }
}
