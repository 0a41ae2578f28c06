package org.finetune4j.peft.shira;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.DenseDeltaLayer;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + D x} with D zero but at the learned elements. */
final class ShiraLayer extends DenseDeltaLayer {

    private final Parameter values;
    private final Parameter indices;

    ShiraLayer(CausalLM model, Shira config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        long in = linear.wholeInFeatures();
        long out = linear.wholeOutFeatures();
        long count = config.rank() * (in + out);
        if (count > in * out) {
            throw new UserErrorException("'r' is " + config.rank() + ", which makes " + count + " numbers of " + path
                    + ", more than its " + in * out + " weights");
        }
        this.values = InitialValues.parameter(
                model,
                path + ".shira_weight",
                config.neutral()
                        ? InitialValues.zeros(model.device(), count)
                        : InitialValues.normal(model.device(), 1, count),
                trainable);
        Tensor places = places(in, out, count, config.seed()).to(model.device());
        this.indices = new Parameter(path + ".shira_indices", places.copy().unscoped());
    }

    /** As many of all numbers: the heap need not hold the others. */
    private static long[] drawn(long all, long count) {
        return Tensors.randomPermutation(all).narrow(0, 0, count).toLongArray();
    }

    /** Rows and columns in the weight's order: int32 [2, count]. */
    private static Tensor places(long in, long out, long count, @Nullable Integer seed) {
        long[] flat;
        if (seed == null) {
            flat = drawn(in * out, count);
        } else {
            try (RandomGenerator.Use use = RandomGenerator.of(seed).use()) {
                flat = drawn(in * out, count);
            }
        }
        Arrays.sort(flat);
        int[] places = new int[2 * flat.length];
        for (int i = 0; i < flat.length; i++) {
            places[i] = (int) (flat[i] / in);
            places[flat.length + i] = (int) (flat[i] % in);
        }
        return Tensors.of(places, 2, flat.length);
    }

    @Override
    public void restored() {
        Tensor places = indices.value();
        requireBelow(places.select(0, 0), base().wholeOutFeatures());
        requireBelow(places.select(0, 1), base().wholeInFeatures());
    }

    private void requireBelow(Tensor places, long end) {
        double largest = places.to(DType.FLOAT64).max().item();
        double smallest = -places.to(DType.FLOAT64).neg().max().item();
        if (smallest < 0 || largest >= end) {
            throw new UserErrorException("'" + key("shira_indices") + "' goes from " + (long) smallest + " to "
                    + (long) largest + ", expected numbers from 0 to " + (end - 1));
        }
    }

    @Override
    protected Tensor delta(DType dtype) {
        long in = base().wholeInFeatures();
        long out = base().wholeOutFeatures();
        Tensor places = indices.value().to(DType.INT64);
        Tensor flat =
                places.select(0, 0).mul((double) in).add(places.select(0, 1)).to(DType.INT64); // [count]
        return Tensors.zeros(dtype, values.value().device(), out * in)
                .scatterAddInPlace(0, flat, values.as(dtype))
                .reshape(out, in);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("shira_weight"), values);
        parameters.put(key("shira_indices"), indices);
        return parameters;
    }

    @Override
    public String toString() {
        return "SHiRA";
    }
}
