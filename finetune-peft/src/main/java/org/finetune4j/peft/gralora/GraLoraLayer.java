package org.finetune4j.peft.gralora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@code y_j = base(x)_j + scale * sum_n x_n A_nj B_jn} for block j of the outputs, over the blocks n of the inputs; a LoRA of the
 * hybrid rank is added to that.
 */
final class GraLoraLayer extends AdaptedLinear {

    private final Parameter matrixA; // [blocks, in / blocks, rank]
    private final Parameter matrixB; // [blocks, rank, out / blocks]
    private final @Nullable Parameter generalA; // [hybrid, in]
    private final @Nullable Parameter generalB; // [out, hybrid]
    private final int blocks;
    private final int rank;
    private final double scale;
    private final double dropout;
    private final AdapterSlices slices;

    GraLoraLayer(CausalLM model, GraLora config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.blocks = config.blocks();
        this.rank = config.rank();
        this.scale = config.scale();
        this.dropout = config.dropout();
        this.slices = new AdapterSlices(linear);
        long in = linear.wholeInFeatures();
        long out = linear.wholeOutFeatures();
        if (in % blocks != 0 || out % blocks != 0) {
            throw new UserErrorException("'gralora_k' is " + blocks + ", which does not divide both the " + in
                    + " inputs and the " + out + " outputs of " + path);
        }
        Device device = model.device();
        Tensor initialA = InitialValues.kaimingUniform(device, (long) blocks * rank, in / blocks)
                .reshape(blocks, rank, in / blocks)
                .transpose(1, 2);
        Tensor initialB = start(config, device, out, rank)
                .reshape(blocks, out / blocks, rank)
                .transpose(1, 2);
        this.matrixA = slices.ofAll(InitialValues.parameter(model, path + ".gralora_A", initialA, trainable));
        this.matrixB = slices.ofAll(InitialValues.parameter(model, path + ".gralora_B", initialB, trainable));
        int hybrid = config.hybridRank();
        this.generalA = hybrid == 0
                ? null
                : slices.ofAll(InitialValues.parameter(
                        model,
                        path + ".gralora_A_general.weight",
                        InitialValues.kaimingUniform(device, hybrid, in),
                        trainable));
        this.generalB = hybrid == 0
                ? null
                : slices.ofAll(InitialValues.parameter(
                        model, path + ".gralora_B_general.weight", start(config, device, out, hybrid), trainable));
    }

    private static Tensor start(GraLora config, Device device, long rows, long columns) {
        return config.neutral()
                ? InitialValues.zeros(device, rows, columns)
                : InitialValues.kaimingUniform(device, rows, columns);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        long[] shape = x.shape();
        Tensor rows = slices.dropped(x, dropout, context).reshape(-1, shape[shape.length - 1]); // [rows, in]
        Tensor added = linear.weight().slice() == null
                ? added(rows)
                : Functional.linear(rows, slices.of(delta(rows.dtype())), null); // blocks are not a slice's
        shape[shape.length - 1] = linear.outFeatures();
        return linear.project(x, context).add(added.view(shape));
    }

    /** What is added to the base's output: [rows, in] to [rows, out]. */
    private Tensor added(Tensor rows) {
        DType dtype = rows.dtype();
        long count = rows.size(0);
        Tensor parts = rows.reshape(count, blocks, -1).transpose(0, 1); // [blocks, rows, in / blocks]
        Tensor low = parts.matmul(matrixA.as(dtype)) // [blocks, rows, rank], a share of the rank for each output block
                .reshape(blocks, count, blocks, rank / blocks)
                .transpose(0, 2) // every output block collects its shares of all input blocks
                .reshape(blocks, count, rank);
        Tensor output = low.matmul(matrixB.as(dtype)) // [blocks, rows, out / blocks]
                .transpose(0, 1)
                .reshape(count, -1); // [rows, out]
        if (generalA != null && generalB != null) {
            Tensor hybrid = Functional.linear(rows, generalA.as(dtype), null);
            output = output.add(Functional.linear(hybrid, generalB.as(dtype), null));
        }
        return output.mul(scale);
    }

    @Override
    protected @Nullable String insteadOfSlices() {
        return null;
    }

    /** The change of the whole weight: [out, in]. */
    private Tensor delta(DType dtype) {
        int share = rank / blocks;
        Tensor a = matrixA.as(dtype).reshape(blocks, -1, blocks, share).transpose(1, 2); // [n, j, in / blocks, share]
        Tensor b = matrixB.as(dtype).reshape(blocks, blocks, share, -1).transpose(0, 1); // [n, j, share, out / blocks]
        Tensor delta = a.matmul(b) // [n, j, in / blocks, out / blocks]
                .transpose(0, 1)
                .transpose(1, 3)
                .transpose(2, 3) // [j, out / blocks, n, in / blocks]
                .reshape(base().wholeOutFeatures(), base().wholeInFeatures());
        if (generalA != null && generalB != null) {
            delta = delta.add(generalB.as(dtype).matmul(generalA.as(dtype)));
        }
        return delta.mul(scale);
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return weight.add(slices.of(delta(weight.dtype())));
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("gralora_A"), matrixA);
        parameters.put(key("gralora_B"), matrixB);
        if (generalA != null && generalB != null) {
            parameters.put(key("gralora_A_general.weight"), generalA);
            parameters.put(key("gralora_B_general.weight"), generalB);
        }
        return parameters;
    }

    @Override
    public String toString() {
        return "GraLoRA";
    }
}
