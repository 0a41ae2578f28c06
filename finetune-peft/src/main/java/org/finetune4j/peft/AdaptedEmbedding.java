package org.finetune4j.peft;

import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.EmbeddingExtension;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** What a method adds to one table of vectors. */
public abstract class AdaptedEmbedding implements AdapterPart, EmbeddingExtension {

    private final Module model;
    private final String path;
    private final Embedding base;
    private @Nullable ReplacedParameter mergedWeight;

    /**
     * Makes the part without changing the model.
     *
     * @param model the whole network, in which modules may share the table
     * @param path the table's path in it
     * @param base the table itself
     */
    protected AdaptedEmbedding(Module model, String path, Embedding base) {
        this.model = model;
        this.path = path;
        this.base = base;
    }

    /** {@return the table itself} */
    public final Embedding base() {
        return base;
    }

    /**
     * {@return what PEFT calls something of this table}
     *
     * @param name PEFT's name of the thing, such as {@code lora_embedding_A}
     */
    protected final String key(String name) {
        return AdapterWeights.PREFIX + path + "." + name;
    }

    /**
     * What the table becomes when the method is folded in.
     *
     * @param weight [count, hidden] in float32 or float64
     * @return [count, hidden]
     */
    protected abstract Tensor mergedWeight(Tensor weight);

    @Override
    public void enable() {
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
            ReplacedParameter replaced =
                    ReplacedParameter.changed(model, base, base.weight(), this::mergedWeight, keepTies);
            replaced.install();
            mergedWeight = replaced;
            base.removeExtension();
        }
    }

    @Override
    public final void unmerge() {
        ReplacedParameter replaced = mergedWeight;
        if (replaced != null) {
            replaced.undo();
            mergedWeight = null;
        }
        base.extend(this);
    }

    @Override
    public void free() {
        parameters().forEach(Parameter::close);
    }
}
