package org.finetune4j.peft.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.AxisSlice;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LowRankUpdate;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.BlockRotations;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.PartedWeight;
import org.finetune4j.peft.SharedProduct;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + scale * (B A dropout(x) + b)} (Hu et al. 2021); b is there with {@code lora_bias} only. */
class LoraLayer extends AdaptedLinear implements SharedProduct {

    private static final double NEARLY_SINGULAR = 1e-8;

    private final Parameter loraA;
    private final Parameter loraB;
    private final @Nullable Parameter loraBias;
    private final double scale;
    private final double dropout;
    private final boolean storesBase;
    private final @Nullable PartedWeight parted;

    /**
     * Makes the matrices [rank, in] and [out, rank] as {@code config} says; nothing of the model is changed yet.
     *
     * @param stored whether the values come from a file, so that none are to be drawn
     */
    LoraLayer(CausalLM model, LoraConfig config, String path, Linear linear, boolean trainable, boolean stored) {
        this(model, config, path, path, linear, trainable, stored);
    }

    /**
     * @param path of the layer, which names the matrices
     * @param name that patterns of ranks and alphas are for
     */
    LoraLayer(
            CausalLM model,
            LoraConfig config,
            String path,
            String name,
            Linear linear,
            boolean trainable,
            boolean stored) {
        super(model.network(), path, linear);
        int rank = config.rankOf(name);
        this.scale = config.scaleOf(name);
        this.dropout = config.loraDropout();
        this.storesBase = config.storesBaseOf(model, linear);
        LoraInitialization initialization = config.initialization();
        LoraInitialization.Matrices matrices;
        AdapterSlices slices = new AdapterSlices(linear);
        boolean divided = linear.weight().slice() != null;
        if (divided) {
            initialization.requireForSlices(path);
        }
        if (linear.weight().isShape()) {
            matrices =
                    LoraInitialization.blank(model.device(), rank, linear.wholeInFeatures(), linear.wholeOutFeatures());
            this.parted = null;
        } else if (initialization.takesFromBase()) {
            matrices = initialization.taken(PartedWeight.whole(linear), rank, scale, path);
            slices.requireAlike(path, matrices.loraA(), matrices.loraB());
            Tensor taken = slices.outputsOf(matrices.loraB())
                    .matmul(slices.inputsOf(matrices.loraA()))
                    .mul(scale); // [own out, own in]
            Tensor rest = PartedWeight.dense(linear, null).sub(taken);
            this.parted = PartedWeight.of(linear, rest, matrices.loraA(), matrices.loraB());
        } else if (initialization == LoraInitialization.LOFTQ) {
            LoftQ start = LoftQ.of(linear, rank, scale, config.loftq(), path);
            matrices = new LoraInitialization.Matrices(start.loraA(), start.loraB());
            CompressedWeight other = start.quantised();
            this.parted = other == null ? null : PartedWeight.of(linear, other, start.loraA(), start.loraB());
        } else {
            matrices = stored
                    ? LoraInitialization.blank(
                            model.device(), rank, linear.wholeInFeatures(), linear.wholeOutFeatures())
                    : initialization.drawn(model.device(), rank, linear.wholeInFeatures(), linear.wholeOutFeatures());
            this.parted = null;
        }
        this.loraA = slices.ofInputs(InitialValues.parameter(
                model, path + ".lora_A.weight", slices.inputsOf(matrices.loraA()), trainable && !config.frozenA()));
        this.loraB = slices.ofOutputs(
                InitialValues.parameter(model, path + ".lora_B.weight", slices.outputsOf(matrices.loraB()), trainable));
        if (divided && config.loraBias() && linear.inputSlice() != null) {
            throw new UserErrorException("lora_bias is not implemented on " + path
                    + ", whose outputs are summands of several ranks: tensor_parallel_size 1, or lora_bias false");
        }
        this.loraBias = config.loraBias()
                ? slices.ofOutputs(InitialValues.parameter(
                        model,
                        path + ".lora_B.bias",
                        InitialValues.zeros(model.device(), linear.outFeatures()),
                        trainable))
                : null;
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        long[] shape = x.shape();
        Tensor rows = x.reshape(-1, shape[shape.length - 1]); // [rows, in]
        Tensor output = linear.project(rows, context); // [rows, out]
        // The base output is nobody else's: adding to it saves a tensor of its size, forwards and backwards.
        addTo(output, rows, context);
        shape[shape.length - 1] = output.size(1);
        return output.view(shape); // [..., out]
    }

    @Override
    public @Nullable LowRankUpdate lowRank(Dropout active) {
        return loraBias == null && active.probability(dropout) == 0 ? new LowRankUpdate(loraA, loraB, scale) : null;
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        Tensor high = Functional.linear(low(x), loraB.as(x.dtype()), null); // [..., out]
        Tensor all = output.addScaled(high, scale);
        return loraBias == null ? all : all.addScaled(loraBias.as(x.dtype()), scale);
    }

    /** Adds to the base's output of the same rows, in place: [rows, in] to [rows, out]. */
    private void addTo(Tensor output, Tensor rows, @Nullable SequenceContext context) {
        output.addMatrixProductInPlace(
                low(dropped(rows, context)), loraB.as(rows.dtype()).t(), scale);
        if (loraBias != null) {
            output.addScaledInPlace(loraBias.as(rows.dtype()), scale);
        }
    }

    /** {@code A x}: [rows, in] to [rows, rank]. */
    final Tensor low(Tensor rows) {
        return Functional.linear(rows, loraA.as(rows.dtype()), null);
    }

    /** The input with dropout, or itself where there is none. */
    final Tensor dropped(Tensor rows, @Nullable SequenceContext context) {
        return new AdapterSlices(base()).dropped(rows, dropout, context);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("lora_A.weight"), loraA);
        parameters.put(key("lora_B.weight"), loraB);
        if (loraBias != null) {
            parameters.put(key("lora_B.bias"), loraBias);
        }
        return parameters;
    }

    @Override
    public Map<String, Parameter> baseParametersByKey() {
        return storesBase
                ? Map.of(key("base_layer.weight"), parted == null ? base().weight() : parted.whole())
                : Map.of();
    }

    final Parameter loraA() {
        return loraA;
    }

    final Parameter loraB() {
        return loraB;
    }

    /** For a frozen A: the gradient of B by which a step of B changes the whole weight most as its own gradient would. */
    final void shapeGradient() {
        Tensor gradient = loraB.grad();
        if (gradient == null) {
            return;
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor matrix = loraA.as(gradient.dtype()).detach();
            Tensor product = matrix.matmul(matrix.t()); // [rank, rank]
            AxisSlice divided = base().inputSlice();
            if (divided != null) {
                // Ranks that have nothing of an expert update B as those do that have it.
                divided.sum(product);
            }
            Tensor identity = BlockRotations.identity(product.unsqueeze(0)).select(0, 0);
            Tensor inverse = LinearAlgebra.inverse(product.addScaled(identity, NEARLY_SINGULAR));
            gradient.copyInPlace(gradient.matmul(inverse).div(scale * scale));
        }
    }

    final double scale() {
        return scale;
    }

    /** How the base's weight was parted, where the initialization took from it. */
    final @Nullable PartedWeight parted() {
        return parted;
    }

    /** {@code scale * B A} [out, in] in a type of at least float32. */
    final Tensor delta(DType dtype) {
        return loraB.as(dtype).matmul(loraA.as(dtype)).mul(scale);
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return weight.add(delta(weight.dtype()));
    }

    @Override
    protected @Nullable Tensor mergedBias(@Nullable Tensor bias) {
        if (loraBias == null) {
            return bias;
        }
        if (bias == null) {
            throw new UserErrorException("an adapter with lora_bias cannot be merged here: " + path() + " has no bias");
        }
        return bias.addScaled(loraBias.value().detach().to(bias.dtype()), scale);
    }

    @Override
    public void enable() {
        super.enable();
        if (parted != null) {
            parted.install();
        }
    }

    @Override
    public void disable() {
        if (parted != null) {
            parted.putBack();
        }
        super.disable();
    }

    @Override
    public void free() {
        super.free();
        if (parted != null) {
            parted.free();
        }
    }

    @Override
    protected @Nullable String insteadOfSlices() {
        return null;
    }

    @Override
    public String toString() {
        return "LoRA";
    }
}
