package org.finetune4j.nn;

import java.util.Optional;
import java.util.function.Supplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Construction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * A weight of a model under the name it has in the checkpoint. Layers that share a weight hold the same object: what one
 * of them trains or replaces, the other one sees.
 *
 * <p>The value is stored in the checkpoint's dtype and converted where it is used, so storage and calculation can have
 * different types; a parameter that trains is stored in the type it is updated in. A frozen one may be stored compressed, in
 * fewer bits than a tensor can have: shape and type are known, {@link #as} gives the numbers, {@link #value} does not.
 */
public final class Parameter implements AutoCloseable {

    private final String name;
    private @Nullable Tensor value;
    private @Nullable CompressedWeight compressed;
    private @Nullable Supplier<Tensor> uncompressed;
    private boolean standsForAnother;

    /**
     * Takes over {@code value}: it is closed with this parameter, not with the scope it was made in.
     *
     * @param name in the checkpoint
     * @param value taken over
     */
    public Parameter(String name, Tensor value) {
        this.name = name;
        this.value = value.unscoped();
        Construction.own(this::close);
    }

    /**
     * A frozen parameter that is stored compressed; takes over {@code compressed}.
     *
     * @param name in the checkpoint
     * @param compressed taken over
     */
    public Parameter(String name, CompressedWeight compressed) {
        this.name = name;
        this.compressed = compressed;
        Construction.own(this::close);
    }

    /**
     * A parameter that a method puts in the place of one of the model's own.
     *
     * @param name the name in the model
     * @param value taken over
     * @return the parameter
     */
    public static Parameter inPlaceOf(String name, Tensor value) {
        Parameter copy = new Parameter(name, value);
        copy.standsForAnother = true;
        return copy;
    }

    /**
     * Whether this is no parameter of the model's own, but one that a method has put in its place.
     *
     * @return true for what {@link #inPlaceOf} made
     */
    public boolean standsForAnother() {
        return standsForAnother;
    }

    /**
     * A frozen parameter that is stored compressed, whose values before that can still be read.
     *
     * @param name in the checkpoint
     * @param compressed taken over
     * @param uncompressed reads them; what it gives belongs to the open scope
     */
    public Parameter(String name, CompressedWeight compressed, Supplier<Tensor> uncompressed) {
        this(name, compressed);
        this.uncompressed = uncompressed;
    }

    /** {@return the name in the checkpoint, such as {@code model.layers.0.self_attn.q_proj.weight}} */
    public String name() {
        return name;
    }

    /**
     * {@return the tensor itself, in its storage dtype} It belongs to this parameter.
     *
     * @throws IllegalStateException when the parameter is compressed: there is no such tensor, see {@link #as}
     */
    public Tensor value() {
        if (value == null) {
            throw new IllegalStateException(
                    name + " is stored compressed: use as(dtype), shape() or numel() instead of value()");
        }
        return value;
    }

    /**
     * The value in {@code dtype}: the tensor itself where it has that type, else a copy that belongs to the scope. It is for
     * reading only.
     *
     * @param dtype the type wanted
     * @return the tensor
     */
    public Tensor as(DType dtype) {
        return compressed == null ? value().to(dtype) : compressed.decompress(dtype);
    }

    /**
     * The value in {@code dtype} for a layer that works on a batch: as {@link #as(DType)}, but a compressed one is decompressed
     * into the pass's own {@link WeightBuffers}, which other layers use after this one.
     *
     * @param dtype the type wanted
     * @param context of the batch; null where nothing is known about one
     * @return the tensor, for reading only
     */
    public Tensor as(DType dtype, @Nullable SequenceContext context) {
        WeightBuffers buffers = context == null ? null : context.weightBuffers();
        Tensor buffered = buffers == null || compressed == null ? null : buffers.decompressed(this, dtype);
        return buffered == null ? as(dtype) : buffered;
    }

    /**
     * Whether every number is one, in whatever form it is stored.
     *
     * @return false with a NaN or an infinity
     */
    public boolean isFinite() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            return !dtype().isFloatingPoint() || as(dtype()).isFinite();
        }
    }

    /** {@return the compressed form, or null when the value is a tensor} */
    public @Nullable CompressedWeight compressed() {
        return compressed;
    }

    /**
     * {@return the values that a compressed parameter had before it was compressed, where they can still be read; else
     * empty}
     */
    public Optional<Tensor> uncompressed() {
        return uncompressed == null ? Optional.empty() : Optional.of(uncompressed.get());
    }

    /** {@return the length of every dimension} */
    public long[] shape() {
        return compressed == null ? value().shape() : compressed.shape();
    }

    /**
     * {@return the length of one dimension, counted from 0}
     *
     * @param dimension counted from 0
     */
    public long size(int dimension) {
        return shape()[dimension];
    }

    /** {@return the number of scalars} */
    public long numel() {
        long count = 1;
        for (long length : shape()) {
            count *= length;
        }
        return count;
    }

    /** {@return the type that the value is stored in, or had before it was compressed} */
    public DType dtype() {
        return compressed == null ? value().dtype() : compressed.dtype();
    }

    /** {@return memory that the stored value takes, in bytes} */
    public long bytes() {
        return compressed == null ? numel() * value().dtype().itemSize() : compressed.bytes();
    }

    /** {@return where the value lives} */
    public Device device() {
        return compressed == null ? value().device() : compressed.device();
    }

    /**
     * Puts another tensor in the place of the value, which is closed.
     *
     * @param newValue taken over
     */
    public void replace(Tensor newValue) {
        if (newValue != value) {
            close();
            compressed = null;
            uncompressed = null;
            value = newValue.unscoped();
        }
    }

    /**
     * Puts a compressed weight in the place of the value, which is closed.
     *
     * @param newValue taken over
     */
    public void replace(CompressedWeight newValue) {
        close();
        value = null;
        uncompressed = null;
        compressed = newValue;
    }

    /** {@return whether training changes this parameter} */
    public boolean isTrainable() {
        return value != null && value.requiresGrad();
    }

    /**
     * Lets training change this parameter, or not. A value that trains must be a memory of its own (a mapped checkpoint is
     * read-only by convention) and be stored in {@code updateDType}: it is copied when it becomes trainable.
     *
     * @param updateDType the type that the optimizer changes
     * @throws UserErrorException when the parameter is stored compressed
     */
    public void train(DType updateDType) {
        if (compressed != null) {
            throw new UserErrorException("'" + name + "' is quantised and cannot train: load the model without"
                    + " load_in_4bit and load_in_8bit, or use a method that adds parameters, such as lora");
        }
        if (!isTrainable()) {
            Tensor stored = value();
            replace(stored.dtype() == updateDType ? stored.copy() : stored.to(updateDType));
            value().requiresGrad(true);
        }
    }

    /** Stops training this parameter; its value stays. */
    public void freeze() {
        if (value != null) {
            value.clearGrad();
            value.requiresGrad(false);
        }
    }

    /** {@return the gradient that the backward passes since the last {@link #clearGrad()} added up, or null} */
    public @Nullable Tensor grad() {
        return value == null ? null : value.grad();
    }

    /** Drops the gradient and its memory. */
    public void clearGrad() {
        if (value != null) {
            value.clearGrad();
        }
    }

    /** Frees the value, in whatever form it is. A parameter that belongs to a model is freed by it. */
    @Override
    public void close() {
        if (value != null) {
            value.close();
        }
        if (compressed != null) {
            compressed.close();
        }
    }

    @Override
    public String toString() {
        return name + " " + (value == null ? "compressed" : value);
    }
}
