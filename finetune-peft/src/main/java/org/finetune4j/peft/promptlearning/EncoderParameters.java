package org.finetune4j.peft.promptlearning;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.Tensor;

/** Makes and names the parameters of one encoder. */
final class EncoderParameters {

    private final CausalLM model;
    private final boolean trainable;
    private final Map<String, Parameter> byName = new LinkedHashMap<>();

    EncoderParameters(CausalLM model, boolean trainable) {
        this.model = model;
        this.trainable = trainable;
    }

    Map<String, Parameter> byName() {
        return byName;
    }

    Parameter add(String name, Tensor value) {
        Parameter parameter = InitialValues.parameter(model, PromptAdapter.KEY_PREFIX + name, value, trainable);
        byName.put(name, parameter);
        return parameter;
    }

    /** PyTorch's {@code Embedding}: standard normal values. */
    Parameter addTable(long rows, long columns) {
        return add(PromptEncoder.TABLE, InitialValues.normal(model.device(), 1, rows, columns));
    }

    /** Uniform within {@code bound}, as PyTorch starts LSTMs and biases. */
    Parameter addUniform(String name, double bound, long... shape) {
        return add(name, InitialValues.zeros(model.device(), shape).uniformInPlace(-bound, bound));
    }
}
