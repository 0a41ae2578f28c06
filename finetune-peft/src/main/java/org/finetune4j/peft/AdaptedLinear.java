package org.finetune4j.peft;

import java.util.Collection;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** What a method adds to one linear layer. A method says how it computes and what the merged weight is. */
public abstract class AdaptedLinear implements AdapterPart, LinearExtension {

    static final String ANOTHER_METHOD = "another method such as lora";

    private final Module model;
    private final String path;
    private final Linear base;
    private @Nullable ReplacedParameter mergedWeight;
    private @Nullable ReplacedParameter mergedBias;

    /**
     * Makes the part without changing the model.
     *
     * @param model the whole network, in which modules may share the layer's weight
     * @param path the layer's path in it
     * @param base the layer itself
     */
    protected AdaptedLinear(Module model, String path, Linear base) {
        this.model = model;
        this.path = path;
        this.base = base;
    }

    /** {@return the layer's path in the model} */
    public final String path() {
        return path;
    }

    /** {@return the layer itself} */
    public final Linear base() {
        return base;
    }

    /**
     * {@return what PEFT calls something of this layer}
     *
     * @param name PEFT's name of the thing, such as {@code lora_A}
     */
    protected final String key(String name) {
        return AdapterWeights.PREFIX + path + "." + name;
    }

    /**
     * What the layer's weight becomes when the method is folded in.
     *
     * @param weight [out, in] in float32 or float64, which may be changed
     * @return [out, in]
     */
    protected abstract Tensor mergedWeight(Tensor weight);

    /**
     * What the layer's bias becomes when the method is folded in.
     *
     * @param bias [out] or null
     * @return [out], or null where there is none; {@code bias} itself where it stays
     */
    protected @Nullable Tensor mergedBias(@Nullable Tensor bias) {
        return bias;
    }

    @Override
    public final Collection<Parameter> parameters() {
        return parametersByKey().values();
    }

    /** {@return what can work on a layer of which several ranks have slices, in place of this method; null where it can itself} */
    protected @Nullable String insteadOfSlices() {
        return ANOTHER_METHOD;
    }

    /**
     * Refuses layers of which several ranks have slices.
     *
     * @param method that needs whole ones
     * @param path of the layer
     * @param instead what can be used in its place
     * @return to be thrown
     */
    static UserErrorException sliced(Object method, String path, String instead) {
        return new UserErrorException(method + " is not implemented on " + path
                + ", of which every rank has a slice: tensor_parallel_size 1, or " + instead);
    }

    @Override
    public void enable() {
        String instead = insteadOfSlices();
        if (base.weight().slice() != null && instead != null) {
            throw sliced(this, path, instead);
        }
        base.extend(this);
    }

    @Override
    public void disable() {
        base.removeExtension();
    }

    @Override
    public final void merge(boolean keepTies) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Parameter bias = base.bias();
            Tensor oldBias = bias == null ? null : bias.as(bias.dtype()).detach();
            Tensor newBias = mergedBias(oldBias);
            ReplacedParameter replaced = ReplacedParameter.changed(model, base, base.weight(), this::folded, keepTies);
            ReplacedParameter foldedBias = null;
            if (newBias != null && oldBias != null && newBias != oldBias && bias != null) {
                Tensor stored = FiniteValues.convert(bias.name(), newBias, oldBias.dtype());
                Parameter folded = new Parameter(bias.name(), scope.keep(stored.copy()));
                foldedBias = ReplacedParameter.in(base, "bias", folded);
            }
            replaced.install();
            mergedWeight = replaced;
            if (foldedBias != null) {
                foldedBias.install();
                mergedBias = foldedBias;
            }
            base.removeExtension();
        }
    }

    /** The merged weight of one that may be changed: [out, in], or [in, out] in GPT-2's layout, as it is given. */
    private Tensor folded(Tensor dense) {
        boolean transposed = base.layout() == Linear.Layout.IN_OUT;
        Tensor folded = mergedWeight(transposed ? dense.t().copy() : dense); // [out, in]
        return (transposed ? folded.t() : folded).contiguous();
    }

    @Override
    public final void unmerge() {
        mergedWeight = putBack(mergedWeight);
        mergedBias = putBack(mergedBias);
        base.extend(this);
    }

    private static @Nullable ReplacedParameter putBack(@Nullable ReplacedParameter replaced) {
        if (replaced != null) {
            replaced.undo();
        }
        return null;
    }

    @Override
    public void free() {
        parameters().forEach(Parameter::close);
    }
}
