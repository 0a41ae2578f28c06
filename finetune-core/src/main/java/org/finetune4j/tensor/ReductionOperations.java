package org.finetune4j.tensor;

import java.util.Arrays;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;

/**
 * The operations of a {@link Tensor} that combine elements: of one dimension or of all, into numbers, or into answers to questions
 * about all of them.
 */
public abstract sealed class ReductionOperations extends ShapeOperations permits Tensor {

    ReductionOperations(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
    }

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
}
