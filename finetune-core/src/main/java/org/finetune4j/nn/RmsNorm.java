package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.FloatRows;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@code w * x / sqrt(mean(x^2) + epsilon)} over the last dimension (Zhang and Sennrich 2019). Gemma's stores w - 1, so
 * that its weights start at zero.
 */
public final class RmsNorm extends Norm {

    private final double epsilon;
    private final boolean onePlus;
    private @Nullable AxisSlice slice;

    /**
     * Reads {@code weight} [size].
     *
     * @param weights where the parameters come from, below this module's name
     * @param size of the vectors
     * @param epsilon added to the variance
     */
    public RmsNorm(Weights weights, long size, double epsilon) {
        this(weights, size, epsilon, false);
    }

    private RmsNorm(Weights weights, long size, double epsilon, boolean onePlus) {
        Initialization neutral = onePlus ? Initialization.ZEROS : Initialization.ONES;
        parameter("weight", weights.parameter("weight", neutral, size));
        this.epsilon = epsilon;
        this.onePlus = onePlus;
    }

    /**
     * Norms whose weight multiplies.
     *
     * @param epsilon added to the variance
     * @return makes them
     */
    public static Factory factory(double epsilon) {
        return (weights, size) -> new RmsNorm(weights, size, epsilon, false);
    }

    /**
     * Norms that multiply by one plus the weight.
     *
     * @param epsilon added to the variance
     * @return makes them
     */
    public static Factory onePlusFactory(double epsilon) {
        return (weights, size) -> new RmsNorm(weights, size, epsilon, true);
    }

    /** {@return the weight [size]} */
    public Parameter weight() {
        return own("weight");
    }

    /** {@return what is added to the variance} */
    public double epsilon() {
        return epsilon;
    }

    /** {@return whether one is added to the weight} */
    public boolean isOnePlus() {
        return onePlus;
    }

    /**
     * Lets this be one process's share of a norm of longer vectors.
     *
     * @param elements which of theirs it has
     */
    public void divide(AxisSlice elements) {
        slice = elements;
    }

    /** The mean is over the elements of all processes, where each may be held by as many. */
    private Tensor divided(Tensor x, Tensor weight, AxisSlice elements) {
        Tensor wide = x.to(x.dtype().atLeastFloat32());
        Tensor squares = elements.region().leave(wide.square().sum(-1, true)); // [..., 1]
        Tensor mean = elements.region().enter(squares).mul(1.0 / (elements.whole() * elements.copies()));
        return wide.mul(mean.add(epsilon).rsqrt()).to(x.dtype()).mul(weight);
    }

    /** In Java while decoding, whatever the number of rows: libtorch makes eight operations of a norm, and a row is one of a few hundred numbers. */
    @Override
    public Tensor forward(Tensor x, @Nullable SequenceContext context) {
        KeyValueCache cache = context == null ? null : context.cache();
        boolean decodes = cache != null && cache.isForDecoding() && slice == null;
        return decodes && FloatRows.areReadable(x) ? byRows(x, own("weight").as(DType.FLOAT32)) : forward(x);
    }

    private Tensor byRows(Tensor x, Tensor weight) {
        float[] scale = FloatRows.read(weight);
        for (int i = 0; onePlus && i < scale.length; i++) {
            scale[i] += 1;
        }
        float[] values = FloatRows.read(x);
        for (int row = 0; row < values.length; row += scale.length) {
            float factor = (float) (1 / Math.sqrt(squares(values, row, scale.length) / scale.length + epsilon));
            for (int i = 0; i < scale.length; i++) {
                values[row + i] = values[row + i] * factor * scale[i];
            }
        }
        return FloatRows.tensor(values, x.shape());
    }

    /** Four sums, which the processor adds to at a time. */
    private static double squares(float[] values, int from, int count) {
        double sum0 = 0;
        double sum1 = 0;
        double sum2 = 0;
        double sum3 = 0;
        int whole = count / 4 * 4;
        for (int i = from; i < from + whole; i += 4) {
            sum0 += (double) values[i] * values[i];
            sum1 += (double) values[i + 1] * values[i + 1];
            sum2 += (double) values[i + 2] * values[i + 2];
            sum3 += (double) values[i + 3] * values[i + 3];
        }
        for (int i = from + whole; i < from + count; i++) {
            sum0 += (double) values[i] * values[i];
        }
        return sum0 + sum1 + (sum2 + sum3);
    }

    @Override
    public Tensor forward(Tensor x) {
        if (slice != null) {
            Tensor weight = own("weight").as(onePlus ? DType.FLOAT32 : x.dtype());
            return divided(x, onePlus ? weight.add(1) : weight, slice).to(x.dtype());
        }
        if (!onePlus) {
            return Functional.rmsNorm(x, own("weight").as(x.dtype()), epsilon);
        }
        // In float32, as the reference does: 1 + w loses most of w in half precision.
        Tensor weight = own("weight").as(DType.FLOAT32).add(1);
        return Functional.rmsNorm(x.to(DType.FLOAT32), weight, epsilon).to(x.dtype());
    }
}
