package org.finetune4j.peft.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.AxisSlice;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LowRankUpdate;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.PartedWeight;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = m / |V| * V x + bias} with {@code V = W + scale * B A} and its norms over each output's inputs (Liu et al.
 * 2024). As in the paper's section 4.3 the norms are constants of the gradient.
 */
final class DoraLayer extends LoraLayer {

    private final Parameter magnitude;
    private @Nullable Tensor frozenNorm;

    DoraLayer(CausalLM model, LoraConfig config, String path, Linear linear, boolean trainable, boolean stored) {
        super(model, config, path, linear, trainable, stored);
        Tensor start = stored ? InitialValues.blank(model.device(), linear.outFeatures()) : startOf(linear);
        this.magnitude = new AdapterSlices(linear)
                .ofOutputs(InitialValues.parameter(model, path + ".lora_magnitude_vector", start, trainable));
    }

    /** The norms of what the layer computes with at first: [out]. Ranks that have nothing of an expert know its norms too. */
    private Tensor startOf(Linear linear) {
        Tensor weight = PartedWeight.dense(linear, null);
        PartedWeight parted = parted();
        // What an initialization takes from the base is in B A: together they are the whole weight.
        Tensor squares = squares(parted == null ? weight.add(delta(weight.dtype())) : weight);
        AxisSlice divided = base().inputSlice();
        if (divided != null) {
            divided.sum(squares);
        }
        return squares.sqrt();
    }

    /** The norms of this rank's rows, over the inputs of all ranks that compute with them: [out]. */
    private Tensor norm(Tensor matrix) {
        Tensor squares = squares(matrix);
        AxisSlice divided = base().inputSlice();
        return (divided == null ? squares : divided.region().leave(squares)).sqrt();
    }

    private static Tensor squares(Tensor matrix) {
        return matrix.square().sum(1, false);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        long[] shape = x.shape();
        DType dtype = x.dtype();
        Tensor rows = x.reshape(-1, shape[shape.length - 1]); // [rows, in]
        Tensor output = linear.project(rows, context); // [rows, out]
        Tensor plain = withoutBias(linear, output);
        Tensor factor = magnitude.as(dtype).div(norm(linear, context).to(dtype)); // [out]
        Tensor dropped = dropped(rows, context);
        Tensor learned = low(dropped).matmul(loraB().as(dtype).t()).mul(scale()); // [rows, out]
        // Dropout lies before the part that DoRA adds, which is everything but the base's own output.
        Tensor seen = dropped == rows ? plain : withoutBias(linear, linear.project(dropped, context));
        Tensor added = factor.mul(learned).add(factor.add(-1).mul(seen));
        shape[shape.length - 1] = output.size(1);
        return output.add(added).view(shape); // [..., out]
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        Tensor plain = withoutBias(base(), output);
        Tensor factor = magnitude.as(x.dtype()).div(norm(base(), context).to(x.dtype())); // [out]
        Tensor learned = low(x).matmul(loraB().as(x.dtype()).t()).mul(scale()); // [..., out]
        return output.add(factor.mul(learned).add(factor.add(-1).mul(plain)));
    }

    @Override
    public @Nullable LowRankUpdate lowRank(Dropout active) {
        return null; // the base's own output is scaled, too
    }

    private static Tensor withoutBias(Linear linear, Tensor output) {
        Parameter bias = linear.projectedBias();
        return bias == null ? output : output.sub(bias.as(output.dtype()));
    }

    /** The norms of V, which nothing is back-propagated through; made once, whichever thread comes first. */
    private synchronized Tensor norm(Linear linear, @Nullable SequenceContext context) {
        Tensor kept = frozenNorm;
        if (kept != null) {
            return kept;
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor weight = PartedWeight.dense(linear, context);
            Tensor norm = scope.keep(norm(weight.add(delta(weight.dtype()).detach())));
            if (!magnitude.isTrainable()) {
                frozenNorm = norm.unscoped();
            }
            return norm;
        }
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>(super.parametersByKey());
        parameters.put(key("lora_magnitude_vector"), magnitude);
        return parameters;
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        Tensor whole = super.mergedWeight(weight);
        Tensor factor = magnitude.as(weight.dtype()).detach().div(norm(whole)); // [out]
        return whole.mul(factor.unsqueeze(1));
    }

    @Override
    public void restored() {
        forgetNorm();
    }

    @Override
    public void disable() {
        super.disable();
        forgetNorm();
    }

    private synchronized void forgetNorm() {
        Tensor kept = frozenNorm;
        if (kept != null) {
            kept.close();
            frozenNorm = null;
        }
    }

    @Override
    public String toString() {
        return "DoRA";
    }
}
