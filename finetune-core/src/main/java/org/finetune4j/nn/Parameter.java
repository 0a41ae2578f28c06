package org.finetune4j.nn;

import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
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
 * <p>It is a holder: the values have one of several forms, see {@link ParameterValue}. They are stored in the checkpoint's
 * dtype and converted where they are used, so storage and calculation can have different types; a parameter that trains is
 * stored in the type it is updated in. {@link #as} gives the numbers whatever the form, {@link #value} the tensor of a form
 * that has one.
 */
public final class Parameter implements AutoCloseable {

    private String name;
    private ParameterValue form;
    private @Nullable Supplier<Tensor> uncompressed;
    private boolean standsForAnother;
    private boolean isConstant;
    private @Nullable ParameterSlice slice;
    private @Nullable ParallelRegion summed;

    /**
     * Takes over {@code value}, which is closed with this parameter.
     *
     * @param name in the checkpoint
     * @param value taken over
     */
    public Parameter(String name, ParameterValue value) {
        this.name = name;
        this.form = value;
        Construction.own(this::close);
    }

    /**
     * Takes over {@code value}: it is closed with this parameter, not with the scope it was made in.
     *
     * @param name in the checkpoint
     * @param value taken over
     */
    public Parameter(String name, Tensor value) {
        this(name, new DenseValue(value));
    }

    /**
     * A frozen parameter that is stored compressed; takes over {@code compressed}.
     *
     * @param name in the checkpoint
     * @param compressed taken over
     */
    public Parameter(String name, CompressedWeight compressed) {
        this(name, new CompressedValue(compressed));
    }

    /**
     * A parameter that a method puts in the place of one of the model's own.
     *
     * @param name the name in the model
     * @param value taken over
     * @return the parameter
     */
    public static Parameter inPlaceOf(String name, Tensor value) {
        return inPlaceOf(name, new DenseValue(value));
    }

    /**
     * A parameter that a method puts in the place of one of the model's own.
     *
     * @param name the name in the model
     * @param value taken over
     * @return the parameter
     */
    public static Parameter inPlaceOf(String name, ParameterValue value) {
        Parameter copy = new Parameter(name, value);
        copy.standsForAnother = true;
        return copy;
    }

    /** {@return whether it has a shape and no numbers, which a method need not calculate from then} */
    public boolean isShape() {
        return form() instanceof ShapeValue;
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

    /**
     * Says that this is a part of the checkpoint's tensor.
     *
     * @param part which one
     * @return this
     */
    public Parameter sliced(@Nullable ParameterSlice part) {
        slice = part;
        return this;
    }

    /** {@return which part of the checkpoint's tensor this is, or null where it is the whole} */
    public @Nullable ParameterSlice slice() {
        return slice;
    }

    /**
     * Says that this is no weight but a number that belongs to the model (a buffer in PyTorch): it is read and saved, and no training changes
     * it.
     *
     * @return this
     */
    public Parameter constant() {
        isConstant = true;
        return this;
    }

    /** {@return whether no training changes it} */
    public boolean isConstant() {
        return isConstant;
    }

    /**
     * Says that several processes have these values and each finds a summand of their gradient, for what each does with them.
     *
     * @param region in which they are used, whose processes get the sum; null where each has the whole gradient
     * @return this
     */
    public Parameter summedIn(@Nullable ParallelRegion region) {
        summed = region;
        return this;
    }

    /** {@return the region whose processes add up their gradients of this, or null} */
    public @Nullable ParallelRegion summed() {
        return summed;
    }

    /**
     * Takes over from another parameter how several processes share it.
     *
     * @param other of the same shape
     * @return this
     */
    public Parameter sharedAs(Parameter other) {
        return sliced(other.slice).summedIn(other.summed);
    }

    /** {@return the name in the checkpoint, such as {@code model.layers.0.self_attn.q_proj.weight}} */
    public String name() {
        return name;
    }

    /**
     * Gives it another name. Optimizers and checkpoints tell parameters apart by their names, which those of two adapters of one
     * method on one model share.
     *
     * @param newName unlike all others of a training
     */
    public void rename(String newName) {
        name = newName;
    }

    /** {@return the values in the form they have now} They belong to this parameter. */
    public ParameterValue form() {
        return form;
    }

    /**
     * {@return the tensor itself, in its storage dtype} It belongs to this parameter.
     *
     * @throws IllegalStateException when the form has no such tensor, see {@link #as}
     */
    public Tensor value() {
        return required(ParameterValue::tensor);
    }

    /**
     * The tensor that an optimizer of this process updates: the whole value, or this process's part of it.
     *
     * @return the tensor, in its storage dtype; it belongs to this parameter
     * @throws IllegalStateException when the form cannot be updated
     */
    public Tensor local() {
        return required(ParameterValue::local);
    }

    private Tensor required(Function<ParameterValue, Tensor> tensor) {
        try {
            return tensor.apply(form);
        } catch (IllegalStateException e) {
            throw new IllegalStateException(name + " is " + e.getMessage(), e);
        }
    }

    /**
     * The value in {@code dtype}: the tensor itself where it has that type, else a copy that belongs to the scope. It is for
     * reading only.
     *
     * @param dtype the type wanted
     * @return the tensor
     */
    public Tensor as(DType dtype) {
        Tensor value = form.as(dtype);
        return summed == null ? value : summed.enter(value);
    }

    /**
     * The values of the checkpoint's tensor, which other processes may have parts of.
     *
     * @param dtype the type wanted
     * @return the tensor, for reading only
     */
    public Tensor whole(DType dtype) {
        return slice == null ? form.as(dtype) : slice.axis().gather(this, slice.dimension(), dtype);
    }

    /**
     * What this parameter is of the checkpoint's tensor.
     *
     * @param whole the tensor
     * @return a view where it is in one piece; the tensor itself where this is the whole
     */
    public Tensor ownPart(Tensor whole) {
        return slice == null ? whole : slice.of(whole);
    }

    /** {@return the length of every dimension of the checkpoint's tensor} */
    public long[] wholeShape() {
        return slice == null ? shape() : slice.wholeShape(shape());
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
        Tensor buffered = buffers == null || form.compressed() == null ? null : buffers.decompressed(this, dtype);
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

    /** {@return the compressed form, or null when the value is numbers} */
    public @Nullable CompressedWeight compressed() {
        return form.compressed();
    }

    /**
     * {@return the values that a compressed parameter had before it was compressed, where they can still be read; else
     * empty}
     */
    public Optional<Tensor> uncompressed() {
        return uncompressed == null ? Optional.empty() : Optional.of(uncompressed.get());
    }

    /** {@return the length of every dimension, of the whole} */
    public long[] shape() {
        return form.shape();
    }

    /**
     * {@return the length of one dimension, counted from 0}
     *
     * @param dimension counted from 0
     */
    public long size(int dimension) {
        return shape()[dimension];
    }

    /** {@return the number of scalars, of the whole} */
    public long numel() {
        long count = 1;
        for (long length : shape()) {
            count *= length;
        }
        return count;
    }

    /** {@return the type that the value is stored in, or had before it was compressed} */
    public DType dtype() {
        return form.dtype();
    }

    /** {@return memory that this process holds of the value, in bytes} */
    public long bytes() {
        return form.bytes();
    }

    /** {@return where the value lives} */
    public Device device() {
        return form.device();
    }

    /**
     * Puts another tensor in the place of the value, which is closed.
     *
     * @param newValue taken over
     */
    public void replace(Tensor newValue) {
        if (!(form instanceof DenseValue dense) || dense.tensor() != newValue) {
            replace(new DenseValue(newValue));
        }
    }

    /**
     * Puts a compressed weight in the place of the value, which is closed.
     *
     * @param newValue taken over
     */
    public void replace(CompressedWeight newValue) {
        replace(new CompressedValue(newValue));
    }

    /**
     * Puts a value of any form in the place of the present one, which is closed.
     *
     * @param newValue taken over
     */
    public void replace(ParameterValue newValue) {
        close();
        uncompressed = null;
        form = newValue;
    }

    /**
     * Gives the rest of the value to other processes: this one keeps its part. A parameter that is to train says so after.
     *
     * @param gatherer brings the parts together
     */
    public void shard(ShardGatherer gatherer) {
        replace(ShardedValue.of(value(), gatherer));
    }

    /**
     * Takes over other numbers, in the form that the value has.
     *
     * @param whole of this parameter's shape, in any type; copied
     */
    public void set(Tensor whole) {
        form.set(whole);
    }

    /** {@return whether training changes this parameter} */
    public boolean isTrainable() {
        return form.isTrainable();
    }

    /**
     * Lets training change this parameter, or not. A value that trains must be a memory of its own (a mapped checkpoint is
     * read-only by convention) and be stored in {@code updateDType}: it is copied when it becomes trainable. What is {@link #constant}
     * stays as it is.
     *
     * @param updateDType the type that the optimizer changes
     * @throws org.finetune4j.UserErrorException when the parameter is stored compressed
     */
    public void train(DType updateDType) {
        if (isConstant) {
            return;
        }
        form.train(name, updateDType);
    }

    /** Stops training this parameter; its value stays. */
    public void freeze() {
        form.freeze();
    }

    /**
     * {@return the gradient that the backward passes since the last {@link #clearGrad()} added up, of the shape of {@link
     * #local()}, or null}
     */
    public @Nullable Tensor grad() {
        return form.grad();
    }

    /**
     * Adds to the gradient: what a segment with a backward pass of its own does in autograd's place.
     *
     * @param gradient of this parameter's shape and of its value's type; its memory becomes the gradient where there is none yet
     */
    public void addGradient(Tensor gradient) {
        value().addGrad(gradient);
    }

    /** Drops the gradient and its memory. */
    public void clearGrad() {
        form.clearGrad();
    }

    /** Frees the value, in whatever form it is. A parameter that belongs to a model is freed by it. */
    @Override
    public void close() {
        form.close();
    }

    @Override
    public String toString() {
        return name + " " + form;
    }
}
