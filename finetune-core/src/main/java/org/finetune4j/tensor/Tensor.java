package org.finetune4j.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * An n-dimensional array in native memory, with the semantics of PyTorch's tensor of the same operations: views share
 * memory, methods ending in {@code InPlace} change this tensor, everything else returns a new one.
 *
 * <p>A tensor belongs to the innermost open {@link TensorScope} of the thread that makes it and is freed with it, or by
 * {@link #close()}. Any use after that is an {@link IllegalStateException}. Shapes and dtypes that do not fit are a
 * {@link TensorException} that names every operand. Instances are not thread-safe.
 */
public final class Tensor extends ElementwiseOperations {

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
     */
    public void addGrad(Tensor gradient) {
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

    // ---- shape ----

    /**
     * The same elements in another shape; copies only when a view cannot do it. One length may be -1.
     *
     * @param newShape its dimensions
     * @return a view or a copy
     */
    public Tensor reshape(long... newShape) {
        return unary("reshape" + Arrays.toString(newShape), x -> x.reshape(newShape));
    }

    /**
     * A view in another shape.
     *
     * @param newShape its dimensions; one length may be -1
     * @return the view
     */
    public Tensor view(long... newShape) {
        return unary("view" + Arrays.toString(newShape), x -> x.view(newShape));
    }

    /**
     * The bytes seen as another dtype.
     *
     * @param dtype of the view
     * @return the view; its last dimension is longer or shorter where the sizes of the types differ
     */
    public Tensor viewAs(DType dtype) {
        return unary("viewAs " + dtype, x -> x.view(dtype.scalarType()));
    }

    /**
     * Exchanges two dimensions.
     *
     * @param dimension0 one of them
     * @param dimension1 the other one
     * @return a view
     */
    public Tensor transpose(int dimension0, int dimension1) {
        return unary("transpose", x -> x.transpose(dimension0, dimension1));
    }

    /**
     * The transpose of a matrix, as a view.
     *
     * @return a view
     */
    public Tensor t() {
        return unary("t", org.bytedeco.pytorch.Tensor::t);
    }

    /**
     * Puts the dimensions in another order.
     *
     * @param dimensions for each new dimension, which one it is now
     * @return a view
     */
    public Tensor permute(long... dimensions) {
        return unary("permute" + Arrays.toString(dimensions), x -> x.permute(dimensions));
    }

    /**
     * Adds a dimension of length 1.
     *
     * @param dimension its place
     * @return a view
     */
    public Tensor unsqueeze(int dimension) {
        return unary("unsqueeze", x -> x.unsqueeze(dimension));
    }

    /**
     * Takes a dimension away if its length is 1.
     *
     * @param dimension its place
     * @return a view
     */
    public Tensor squeeze(int dimension) {
        return unary("squeeze", x -> x.squeeze(dimension));
    }

    /**
     * A view that repeats dimensions of length 1; -1 leaves a dimension as it is.
     *
     * @param newShape its dimensions
     * @return the view
     */
    public Tensor expand(long... newShape) {
        return unary("expand" + Arrays.toString(newShape), x -> x.expand(newShape));
    }

    /**
     * The view {@code [start, start + length)} of one dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param start first element of it
     * @param length how many
     * @return the view
     */
    public Tensor narrow(int dimension, long start, long length) {
        return unary("narrow " + dimension + ":" + start + "+" + length, x -> x.narrow(dimension, start, length));
    }

    /**
     * Parts that follow each other along one dimension. Going back, their gradients are joined at once.
     *
     * @param lengths of the parts, which sum up to the dimension's size
     * @param dimension which dimension; negative numbers count from the last
     * @return views, one a length
     */
    public List<Tensor> split(long[] lengths, int dimension) {
        try (TensorVector parts = torch.split_with_sizes(handle(), lengths, dimension)) {
            List<Tensor> views = new ArrayList<>();
            for (int i = 0; i < lengths.length; i++) {
                views.add(wrap(new org.bytedeco.pytorch.Tensor(parts.get(i)))); // the vector's own goes with it
            }
            return views;
        } catch (RuntimeException e) {
            throw TensorException.of("split " + Arrays.toString(lengths) + " along " + dimension, e, this);
        }
    }

    /**
     * Element {@code index} of one dimension, which disappears.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param index which element of it
     * @return a view with one dimension less
     */
    public Tensor select(int dimension, long index) {
        return unary("select " + dimension + ":" + index, x -> x.select(dimension, index));
    }

    /** {@return this tensor when its elements lie in row-major order without gaps, else such a copy} */
    public Tensor contiguous() {
        return unary("contiguous", org.bytedeco.pytorch.Tensor::contiguous);
    }

    /**
     * Elements move along a dimension and re-enter at its start.
     *
     * @param shift how far
     * @param dimension along which dimension
     * @return a new tensor
     */
    public Tensor roll(long shift, int dimension) {
        return unary("roll", x -> x.roll(new long[] {shift}, dimension));
    }

    /**
     * Each element of a dimension {@code times} times in a row.
     *
     * @param times how often each
     * @param dimension which dimension
     * @return a new tensor
     */
    public Tensor repeatInterleave(long times, int dimension) {
        return unary("repeatInterleave", x -> {
            try (LongOptional along = new LongOptional(dimension);
                    LongOptional size = new LongOptional()) {
                return x.repeat_interleave(times, along, size);
            }
        });
    }

    // ---- dtype, device, copies ----

    /**
     * This tensor when it already has the dtype, else a converted copy (round to nearest even).
     *
     * @param dtype the type wanted
     * @return this or a copy
     */
    public Tensor to(DType dtype) {
        return dtype() == dtype ? this : unary("to " + dtype, x -> x.to(dtype.scalarType()));
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
        return unary("to " + device, x -> {
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

    // ---- reductions ----

    /** {@return the sum of all elements, without dimensions} */
    public Tensor sum() {
        return unary("sum", x -> x.sum());
    }

    /**
     * Sums along one dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param keepDimension whether the dimension stays, with length 1
     * @return the sums
     */
    public Tensor sum(int dimension, boolean keepDimension) {
        return unary("sum", x -> {
            try (ScalarTypeOptional same = new ScalarTypeOptional()) {
                return x.sum(new long[] {dimension}, keepDimension, same);
            }
        });
    }

    /** {@return the mean of all elements, without dimensions} */
    public Tensor mean() {
        return unary("mean", x -> x.mean());
    }

    /**
     * Averages along one dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param keepDimension whether the dimension stays, with length 1
     * @return the means
     */
    public Tensor mean(int dimension, boolean keepDimension) {
        return unary("mean", x -> {
            try (ScalarTypeOptional same = new ScalarTypeOptional()) {
                return x.mean(new long[] {dimension}, keepDimension, same);
            }
        });
    }

    /** {@return the largest element, without dimensions} */
    public Tensor max() {
        return unary("max", x -> x.max());
    }

    /**
     * The largest elements along one dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @param keepDimension whether it stays, with length 1
     * @return the elements
     */
    public Tensor max(int dimension, boolean keepDimension) {
        return unary("max", x -> x.amax(new long[] {dimension}, keepDimension));
    }

    /**
     * Finds the largest elements along one dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @return where they are, int64, with that dimension gone
     */
    public Tensor argmax(int dimension) {
        return unary("argmax", x -> {
            try (LongOptional along = new LongOptional(dimension)) {
                return x.argmax(along, false);
            }
        });
    }

    /** {@return the Euclidean norm of all elements, without dimensions} */
    public Tensor norm() {
        return unary("norm", x -> x.norm());
    }

    /**
     * The logarithm of the sum of exponentials along one dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @return the logarithms, with that dimension gone
     */
    public Tensor logSumExp(int dimension) {
        return unary("logSumExp", x -> x.logsumexp(new long[] {dimension}, false));
    }

    /**
     * Exponentials divided by their sum along one dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @return a tensor of the same shape
     */
    public Tensor softmax(int dimension) {
        return unary("softmax", x -> x.softmax(dimension));
    }

    /**
     * Sums of all elements up to each one along a dimension.
     *
     * @param dimension which dimension; negative numbers count from the last
     * @return a tensor of the same shape
     */
    public Tensor cumulativeSum(int dimension) {
        return unary("cumulativeSum", x -> x.cumsum(dimension));
    }

    /** {@return whether no element is NaN or infinite} */
    public boolean isFinite() {
        try (org.bytedeco.pytorch.Tensor sum = handle().sum()) {
            if (Double.isFinite(sum.item_double())) { // which a single NaN or infinity would not leave so
                return true;
            }
        }
        try (org.bytedeco.pytorch.Tensor finite = handle().isfinite();
                org.bytedeco.pytorch.Tensor all = finite.all()) {
            return all.item_bool();
        }
    }

    /**
     * Whether the other tensor has this one's shape and, element by element, its values; the types may differ.
     *
     * @param other what this is compared with
     * @return true when all agree
     */
    public boolean hasValuesOf(Tensor other) {
        try (org.bytedeco.pytorch.Tensor same = other.handle().to(handle().scalar_type())) {
            return Arrays.equals(shape(), other.shape()) && handle().equal(same);
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
