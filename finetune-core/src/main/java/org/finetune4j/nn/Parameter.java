package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A weight of a model under the name it has in the checkpoint. Layers that share a weight hold the same object: what one
 * of them trains or replaces, the other one sees.
 *
 * <p>The value is stored in the checkpoint's dtype and converted where it is used, so storage and calculation can have
 * different types; a parameter that trains is stored in the type it is updated in.
 */
public final class Parameter {

    private final String name;
    private Tensor value;

    /** Takes over {@code value}: it is closed with this parameter, not with the scope it was made in. */
    public Parameter(String name, Tensor value) {
        this.name = name;
        this.value = value.unscoped();
    }

    /** The name in the checkpoint, such as {@code model.layers.0.self_attn.q_proj.weight}. */
    public String name() {
        return name;
    }

    /** The tensor itself, in its storage dtype. It belongs to this parameter. */
    public Tensor value() {
        return value;
    }

    /** The value in {@code dtype}: the tensor itself where it has that type, else a copy that belongs to the scope. */
    public Tensor as(DType dtype) {
        return value.to(dtype);
    }

    /** Puts another tensor in the place of the value, which is closed. */
    public void replace(Tensor newValue) {
        if (newValue != value) {
            Tensor old = value;
            value = newValue.unscoped();
            old.close();
        }
    }

    public boolean isTrainable() {
        return value.requiresGrad();
    }

    /**
     * Lets training change this parameter, or not. A value that trains must be a memory of its own (a mapped checkpoint
     * is read-only by convention) and be stored in {@code updateDType}: it is copied when it becomes trainable.
     */
    public void train(DType updateDType) {
        if (!isTrainable()) {
            Tensor own = value.dtype() == updateDType ? value.copy() : value.to(updateDType);
            replace(own);
            value.requiresGrad(true);
        }
    }

    /** Stops training this parameter; its value stays. */
    public void freeze() {
        value.clearGrad();
        value.requiresGrad(false);
    }

    /** The gradient that the backward passes since the last {@link #clearGrad()} added up, or null. */
    public @Nullable Tensor grad() {
        return value.grad();
    }

    public void clearGrad() {
        value.clearGrad();
    }

    void close() {
        value.close();
    }

    @Override
    public String toString() {
        return name + " " + value;
    }
}
