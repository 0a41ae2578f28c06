package org.finetune4j.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The operations of a {@link Tensor} that leave its elements as they are and give them another shape or order. Views share this
 * tensor's memory.
 */
public abstract sealed class ShapeOperations extends ElementwiseOperations permits ReductionOperations {

    ShapeOperations(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
    }

    /**
     * The same elements in another shape; copies only when a view cannot do it. One length may be -1.
     *
     * @param newShape its dimensions
     * @return a view or a copy
     */
    public Tensor reshape(long... newShape) {
        return unary(() -> "reshape" + Arrays.toString(newShape), x -> x.reshape(newShape));
    }

    /**
     * A view in another shape.
     *
     * @param newShape its dimensions; one length may be -1
     * @return the view
     */
    public Tensor view(long... newShape) {
        return unary(() -> "view" + Arrays.toString(newShape), x -> x.view(newShape));
    }

    /**
     * The bytes seen as another dtype.
     *
     * @param dtype of the view
     * @return the view; its last dimension is longer or shorter where the sizes of the types differ
     */
    public Tensor viewAs(DType dtype) {
        return unary(() -> "viewAs " + dtype, x -> x.view(dtype.scalarType()));
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
        return unary(() -> "permute" + Arrays.toString(dimensions), x -> x.permute(dimensions));
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
        return unary(() -> "expand" + Arrays.toString(newShape), x -> x.expand(newShape));
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
        return unary(() -> "narrow " + dimension + ":" + start + "+" + length, x -> x.narrow(dimension, start, length));
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
                views.add(Tensor.wrap(new org.bytedeco.pytorch.Tensor(parts.get(i)))); // the vector's own goes with it
            }
            return views;
        } catch (RuntimeException e) {
            throw TensorException.of("split " + Arrays.toString(lengths) + " along " + dimension, e, self());
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
        return unary(() -> "select " + dimension + ":" + index, x -> x.select(dimension, index));
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
}
