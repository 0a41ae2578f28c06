package org.finetune4j.peft;

import org.finetune4j.nn.AxisSlice;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.tensor.Tensor;

/**
 * How what a method adds to a linear layer is divided where several ranks have slices of the layer: what has the layer's divided
 * features is divided as the layer, the rest is whole on every rank, which finds a summand of its gradient.
 *
 * @param base the layer
 */
public record AdapterSlices(Linear base) {

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
