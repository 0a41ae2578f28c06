package org.finetune4j.peft.delora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.PartedWeight;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + lambda / r * B S A (n * x)}: S divides by the norms of A's rows and B's columns, n are the norms of W's columns. */
final class DeloraLayer extends AdaptedLinear {

    /** Norms are at least 1e-4. */
    private static final double SMALLEST_SQUARE = 1e-8;

    private final Parameter matrixA;
    private final Parameter matrixB;
    private final Parameter lambda;
    private final Parameter norms;
    private final int rank;
    private final double dropout;

    DeloraLayer(CausalLM model, Delora config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.rank = config.rankOf(path);
        this.dropout = config.dropout();
        long in = linear.inFeatures();
        long out = linear.outFeatures();
        Device device = model.device();
        this.matrixA = InitialValues.parameter(
                model, path + ".delora_A", InitialValues.kaimingUniform(device, rank, in), trainable);
        this.matrixB = InitialValues.parameter(
                model,
                path + ".delora_B",
                config.neutral()
                        ? InitialValues.zeros(device, out, rank)
                        : InitialValues.kaimingUniform(device, out, rank),
                trainable);
        this.lambda = InitialValues.parameter(
                model,
                path + ".delora_lambda",
                InitialValues.zeros(device, 1).fillInPlace(config.lambdaOf(path)),
                trainable);
        Tensor weight = PartedWeight.dense(linear, null); // [out, in]
        this.norms = InitialValues.parameter(
                model, path + ".delora_w_norm", weight.square().sum(0, false).sqrt(), false);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        DType dtype = x.dtype();
        Tensor seen = Dropout.of(context).apply(x, dropout).mul(norms.as(dtype));
        Tensor low = Functional.linear(seen, matrixA.as(dtype), null).mul(strengths(dtype)); // [..., rank]
        return linear.project(x, context).add(Functional.linear(low, matrixB.as(dtype), null));
    }

    /** What each direction is multiplied by: [rank]. */
    private Tensor strengths(DType dtype) {
        Tensor product = norm(matrixA.as(dtype), 1).mul(norm(matrixB.as(dtype), 0));
        return lambda.as(dtype).div(rank).div(product);
    }

    private static Tensor norm(Tensor matrix, int dimension) {
        Tensor squares = matrix.square().sum(dimension, false);
        Tensor least = Tensors.full(SMALLEST_SQUARE, squares.dtype(), squares.device(), 1);
        return squares.maximum(least).sqrt();
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        DType dtype = weight.dtype();
        Tensor scaledA = matrixA.as(dtype).mul(strengths(dtype).unsqueeze(1)).mul(norms.as(dtype)); // [rank, in]
        return weight.add(matrixB.as(dtype).matmul(scaledA));
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("delora_A"), matrixA);
        parameters.put(key("delora_B"), matrixB);
        parameters.put(key("delora_lambda"), lambda);
        parameters.put(key("delora_w_norm"), norms);
        return parameters;
    }

    @Override
    public String toString() {
        return "DeLoRA";
    }
}
