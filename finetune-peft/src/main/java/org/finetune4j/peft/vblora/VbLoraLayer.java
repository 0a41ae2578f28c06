package org.finetune4j.peft.vblora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + B A x}, whose matrices are rows of vectors that are mixed from a bank (Li et al. 2024). */
final class VbLoraLayer extends AdaptedLinear {

    private final VectorBank bank;
    private final Parameter logitsA; // [rank, in / length, vectors]
    private final Parameter logitsB; // [out / length, rank, vectors]
    private final double dropout;

    VbLoraLayer(CausalLM model, VbLora config, VectorBank bank, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.bank = bank;
        this.dropout = config.dropout();
        int length = config.vectorLength();
        long in = linear.inFeatures();
        long out = linear.outFeatures();
        if (in % length != 0 || out % length != 0) {
            throw new UserErrorException("'vector_length' is " + length + ", which does not divide both the " + in
                    + " inputs and the " + out + " outputs of " + path);
        }
        double deviation = config.logitsDeviation();
        this.logitsA = InitialValues.parameter(
                model,
                path + ".vblora_logits_A",
                InitialValues.normal(model.device(), deviation, config.rank(), in / length, config.vectors()),
                trainable);
        this.logitsB = InitialValues.parameter(
                model,
                path + ".vblora_logits_B",
                InitialValues.normal(model.device(), deviation, out / length, config.rank(), config.vectors()),
                trainable);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        DType dtype = x.dtype();
        Tensor low = Functional.linear(Dropout.of(context).apply(x, dropout), matrixA(dtype), null); // [..., rank]
        return linear.project(x, context).add(Functional.linear(low, matrixB(dtype), null));
    }

    /** [rank, in]. */
    private Tensor matrixA(DType dtype) {
        Tensor vectors = bank.mixtures(logitsA.as(dtype), dtype); // [rank, in / length, length]
        return vectors.reshape(vectors.size(0), -1);
    }

    /** [out, rank]. */
    private Tensor matrixB(DType dtype) {
        Tensor vectors = bank.mixtures(logitsB.as(dtype), dtype); // [out / length, rank, length]
        return vectors.transpose(1, 2).reshape(-1, vectors.size(1));
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return weight.add(matrixB(weight.dtype()).matmul(matrixA(weight.dtype())));
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("vblora_logits_A"), logitsA);
        parameters.put(key("vblora_logits_B"), logitsB);
        return parameters;
    }

    @Override
    public String toString() {
        return "VB-LoRA";
    }
}
