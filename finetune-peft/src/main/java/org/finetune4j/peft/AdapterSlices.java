package org.finetune4j.peft;

import org.finetune4j.UserErrorException;
import org.finetune4j.nn.AxisSlice;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.nn.Portion;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * How what a method adds to a linear layer is divided where several ranks have slices of the layer: what has the layer's divided
 * features is divided as the layer, the rest is whole on every rank, which finds a summand of its gradient.
 *
 * @param base the layer
 */
public record AdapterSlices(Linear base) {

    /** Of what is the same but for the sum's rounding. */
    private static final double LARGEST_DIFFERENCE = 1e-5;

    /**
     * The columns that belong to this rank's input features.
     *
     * @param whole [any, in]
     * @return [any, own in]
     */
    public Tensor inputsOf(Tensor whole) {
        AxisSlice slice = base.inputSlice();
        return slice == null ? whole : slice.of(whole, 1);
    }

    /**
     * The rows that belong to this rank's output features.
     *
     * @param whole [out, ...]
     * @return [own out, ...]
     */
    public Tensor outputsOf(Tensor whole) {
        AxisSlice slice = base.outputSlice();
        return slice == null ? whole : slice.of(whole, 0);
    }

    /**
     * The part of a whole weight that belongs to this rank's features.
     *
     * @param whole [out, in]
     * @return [own out, own in]
     */
    public Tensor of(Tensor whole) {
        return outputsOf(inputsOf(whole));
    }

    /**
     * Makes sure that ranks have calculated the same, of which each takes its slice.
     *
     * @param path of the layer
     * @param made by every rank for itself
     * @throws UserErrorException when processors calculate it in another way
     */
    public void requireAlike(String path, Tensor... made) {
        ParameterSlice slice = base.weight().slice();
        if (slice == null) {
            return;
        }
        ParallelRegion region = slice.axis().region();
        double ranks = region.leave(made[0].reshape(-1).narrow(0, 0, 1).copy().fillInPlace(1))
                .item();
        for (Tensor own : made) {
            double apart =
                    region.leave(own.copy()).sub(own.mul(ranks)).abs().max().item();
            if (apart > LARGEST_DIFFERENCE * own.abs().max().item()) {
                throw new UserErrorException(
                        "what a method takes from the weight of " + path + " is not the same on all"
                                + " ranks, whose processors calculate it in other ways: train on hosts of one kind");
            }
        }
    }

    /**
     * Says how a parameter is shared that is whole on every rank.
     *
     * @param parameter of any shape
     * @return the same
     */
    public Parameter ofAll(Parameter parameter) {
        ParameterSlice slice = base.weight().slice();
        return parameter.summedIn(slice == null ? null : slice.axis().region());
    }

    /**
     * Leaves out inputs as this rank's share of what one process leaves out.
     *
     * @param rows [..., own in]
     * @param probability with which a number is left out
     * @param context of the batch
     * @return of the same shape, or {@code rows} itself where nothing is left out
     */
    public Tensor dropped(Tensor rows, double probability, @Nullable SequenceContext context) {
        AxisSlice inputs = base.inputSlice();
        Portion portion = inputs == null ? null : Portion.ofFeatures(inputs);
        return Dropout.of(context).ofPortion(portion).apply(rows, probability);
    }

    /**
     * Says how a parameter that works on the layer's inputs is shared.
     *
     * @param parameter [any, in]
     * @return the same
     */
    public Parameter ofInputs(Parameter parameter) {
        AxisSlice inputs = base.inputSlice();
        AxisSlice outputs = base.outputSlice();
        return inputs == null
                ? parameter.summedIn(outputs == null ? null : outputs.region())
                : parameter
                        .sliced(new ParameterSlice(1, inputs))
                        .summedIn(base.weight().summed());
    }

    /**
     * Says how a parameter that gives the layer's outputs is shared.
     *
     * @param parameter [out, ...]
     * @return the same
     */
    public Parameter ofOutputs(Parameter parameter) {
        AxisSlice inputs = base.inputSlice();
        AxisSlice outputs = base.outputSlice();
        return outputs == null
                ? parameter.summedIn(inputs == null ? null : inputs.region())
                : parameter
                        .sliced(new ParameterSlice(0, outputs))
                        .summedIn(base.weight().summed());
    }
}
