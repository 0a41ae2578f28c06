package org.finetune4j.nn;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * This process's part of values that several processes hold together, as ZeRO-3 and FSDP do (Rajbhandari et al. 2020, Zhao et
 * al. 2023): counted through in row-major order they are cut into parts of one length, the last ones filled up with zeros.
 * The whole is there while {@link GatheredShards} lends it to a segment that runs; gradients of the whole become those of the
 * part. One pass at a time works with it, as all processes have to do the same.
 */
public final class ShardedValue implements ParameterValue {

    private final ShardGatherer gatherer;
    private final long[] shape;
    private final long numel;
    private Tensor part;
    private boolean trains;
    private boolean touched;
    private @Nullable Tensor gradient;
    private @Nullable Tensor lent;

    private ShardedValue(ShardGatherer gatherer, long[] shape, Tensor part) {
        this.gatherer = gatherer;
        this.shape = shape.clone();
        this.numel = numel(shape);
        this.part = part.unscoped();
    }

    /**
     * Keeps this process's part of a tensor.
     *
     * @param whole the same in all processes; copied
     * @param gatherer brings the parts together again
     * @return the part
     */
    public static ShardedValue of(Tensor whole, ShardGatherer gatherer) {
        long length = length(numel(whole.shape()), gatherer.ranks());
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor part = Tensors.zeros(whole.dtype(), whole.device(), length);
            ShardedValue value = new ShardedValue(gatherer, whole.shape(), part);
            value.set(whole);
            return value;
        }
    }

    private static long numel(long[] shape) {
        long count = 1;
        for (long size : shape) {
            count *= size;
        }
        return count;
    }

    private static long length(long numel, int ranks) {
        return (numel + ranks - 1) / ranks;
    }

    /** {@return the number of this process's first value} */
    public long offset() {
        return Math.min(numel, gatherer.rank() * part.numel());
    }

    /** {@return how many values of the whole this process holds, without what its part is filled up with} */
    public long count() {
        return Math.min(part.numel(), numel - offset());
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public DType dtype() {
        return part.dtype();
    }

    @Override
    public long bytes() {
        return part.numel() * part.dtype().itemSize();
    }

    @Override
    public Device device() {
        return part.device();
    }

    @Override
    public Tensor tensor() {
        Tensor whole = lent;
        if (whole == null) {
            throw new IllegalStateException("sharded: the whole is there only while a segment that needs it runs;"
                    + " use local() for this process's part, as(dtype) to gather a copy in all processes");
        }
        return whole;
    }

    /** Where the whole is not lent, all processes gather it into a memory of its own. */
    @Override
    public Tensor as(DType dtype) {
        Tensor whole = lent;
        if (whole != null) {
            return whole.to(dtype);
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor memory = Tensors.zeros(dtype(), device(), gatheredNumel());
            gatherer.allGather(part.detach(), memory);
            return scope.keep(viewOf(memory).to(dtype));
        }
    }

    @Override
    public void into(Tensor destination) {
        try (TensorScope scope = TensorScope.open()) {
            destination.copyInPlace(as(destination.dtype()).detach());
        }
    }

    @Override
    public ParameterPart part() {
        Tensor own = part.detach().narrow(0, 0, count());
        return count() == numel ? ParameterPart.whole(own.view(shape)) : new ParameterPart(shape(), offset(), own);
    }

    @Override
    public Tensor local() {
        return part;
    }

    @Override
    public List<Tensor> memory() {
        return List.of(part);
    }

    @Override
    public void moveTo(UnaryOperator<Tensor> copy) {
        Tensor moved = copy.apply(part).unscoped();
        part.close();
        part = moved;
    }

    /**
     * This process's part of something of the whole's shape, of the length that {@link #local} has.
     *
     * @param ofWhole in any type
     * @return a tensor of its own
     */
    public Tensor localOf(Tensor ofWhole) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor own = Tensors.zeros(ofWhole.dtype(), ofWhole.device(), part.numel());
            Tensor flat = ofWhole.contiguous().view(-1);
            own.narrow(0, 0, count()).copyInPlace(flat.narrow(0, offset(), count()));
            return scope.keep(own);
        }
    }

    @Override
    public boolean isTrainable() {
        return trains;
    }

    @Override
    public void train(String name, DType updateDType) {
        if (part.dtype() != updateDType) {
            Tensor converted = part.to(updateDType).unscoped();
            part.close();
            part = converted;
        }
        trains = true;
    }

    @Override
    public void freeze() {
        clearGrad();
        trains = false;
    }

    @Override
    public @Nullable Tensor grad() {
        return gradient;
    }

    /** {@return whether any pass of this process gave a gradient since {@link #clearGrad}} */
    public boolean isTouched() {
        return touched;
    }

    @Override
    public void clearGrad() {
        touched = false;
        if (gradient != null) {
            gradient.close();
            gradient = null;
        }
    }

    @Override
    public void set(Tensor whole) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor flat = whole.detach().contiguous().view(-1);
            part.narrow(0, 0, count()).copyInPlace(flat.narrow(0, offset(), count()));
        }
    }

    /** All processes have to change it. */
    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            return of(narrow.apply(change.apply(as(dtype().atLeastFloat32())), dtype()), gatherer);
        }
    }

    /** How long a memory is that all parts fit in, with what they are filled up with. */
    long gatheredNumel() {
        return part.numel() * gatherer.ranks();
    }

    /** Fills such a memory. */
    void gatherInto(Tensor memory) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            gatherer.allGather(part.detach(), memory);
        }
    }

    /** Begins to fill such a memory; what is returned waits for the end. */
    Runnable beginGatherInto(Tensor memory) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            return gatherer.beginAllGather(part.detach(), memory);
        }
    }

    /** The whole in such a memory. */
    Tensor viewOf(Tensor memory) {
        return memory.narrow(0, 0, numel).view(shape);
    }

    /** Lets the whole be this value's tensor, or takes it away. */
    void lend(@Nullable Tensor whole) {
        lent = whole;
    }

    /**
     * Adds a gradient of the whole, summed over all processes, to that of the part.
     *
     * @param ofWhole this process's, or null where it has none
     */
    void addGradient(@Nullable Tensor ofWhole) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor filled = Tensors.zeros(dtype(), device(), gatheredNumel());
            if (ofWhole != null) {
                touched = true;
                filled.narrow(0, 0, numel).copyInPlace(ofWhole.contiguous().view(-1));
            }
            Tensor own = Tensors.zeros(dtype(), device(), part.numel());
            gatherer.reduceScatter(filled, own);
            if (gradient == null) {
                gradient = own.unscoped();
            } else {
                gradient.addInPlace(own);
            }
        }
    }

    @Override
    public void close() {
        part.close();
        clearGrad();
    }

    @Override
    public String toString() {
        return "part " + gatherer.rank() + " of " + gatherer.ranks();
    }
}
