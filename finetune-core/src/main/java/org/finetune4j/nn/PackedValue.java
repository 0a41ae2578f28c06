package org.finetune4j.nn;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.MappedMemory;
import org.finetune4j.tensor.PackedWeight;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A weight that lies in the order of a {@link PackedWeight} only, alone or below others that are multiplied with the same input: what
 * decoding is fastest with. It takes the memory of a float32 tensor, whatever type the numbers had. {@link #pack} puts it there.
 *
 * <p>Whoever reads it gets the numbers in their own order. From the second time on, and for whoever wants the tensor itself, they are
 * kept in that order too. The packed ones are not used any more once those have changed.
 */
public final class PackedValue implements ParameterValue {

    /** Who reads a weight more often than a merge or a check does so in every pass. */
    private static final int READS_BEFORE_KEPT = 1;

    private final Stack stack;
    private final long start;
    private final Linear.Layout layout;
    private final long[] shape;
    private final DType stored;
    private int reads;
    private volatile @Nullable Kept kept;

    private PackedValue(Stack stack, long start, Linear.Layout layout, long[] shape, DType stored) {
        this.stack = stack;
        this.start = start;
        this.layout = layout;
        this.shape = shape;
        this.stored = stored;
    }

    /** The numbers in their own order, as they were when they were unpacked. */
    private record Kept(DenseValue value, Tensor unpacked, long version) {

        static Kept of(DenseValue value) {
            return new Kept(value, value.tensor(), value.tensor().version());
        }

        @SuppressWarnings("ReferenceEquality")
        boolean isUnchanged() {
            return value.tensor() == unpacked && unpacked.version() == version && !value.isTrainable();
        }
    }

    /** Weights that are packed as one, freed when the last of them goes. */
    private static final class Stack {

        private final PackedWeight weight;
        private final long rows;
        private int holders;

        Stack(PackedWeight weight, long rows, int holders) {
            this.weight = weight;
            this.rows = rows;
            this.holders = holders;
        }

        synchronized void release() {
            if (--holders == 0) {
                weight.close();
            }
        }
    }

    /**
     * Packs the weights of some layers as one, in place of their tensors, which are freed. Nobody else may be using them.
     *
     * @param layers of one number of input features, whose weights are tensors on the CPU, of no more bits than float32, that do not
     *     train and belong to these layers alone
     * @param mappings whose pages are given back where a weight's numbers came from a file
     */
    static void pack(List<Linear> layers, MappedMemory.Mappings mappings) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            List<Tensor> weights = layers.stream().map(PackedValue::outIn).toList(); // each [out, in]
            PackedWeight packed = PackedWeight.of(weights.size() == 1 ? weights.get(0) : Tensors.cat(weights, 0));
            long rows = weights.stream().mapToLong(weight -> weight.size(0)).sum();
            Stack stack = new Stack(packed, rows, layers.size());
            long start = 0;
            for (Linear layer : layers) {
                Parameter weight = layer.weight();
                PackedValue value = new PackedValue(stack, start, layer.layout(), weight.shape(), weight.dtype());
                start += layer.outFeatures();
                mappings.release(weight.value());
                weight.replace(value);
            }
        }
    }

    /**
     * Packs the weight of a layer beside its tensor, which is looked up row by row too: what a mapped file has of it comes back where it is
     * touched.
     *
     * @param layer whose weight is a tensor on the CPU, of no more bits than float32, that does not train
     * @param mappings whose pages are given back where the weight's numbers came from a file and were not changed
     */
    static void packBeside(Linear layer, MappedMemory.Mappings mappings) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Parameter weight = layer.weight();
            Tensor packed = outIn(layer); // [out, in]
            Stack stack = new Stack(PackedWeight.of(packed), packed.size(0), 1);
            PackedValue value = new PackedValue(stack, 0, layer.layout(), weight.shape(), weight.dtype());
            Tensor tensor = weight.value().detach(); // the same memory, for when the parameter frees its own
            value.kept = Kept.of(new DenseValue(tensor));
            if (tensor.version() == 0) {
                mappings.release(tensor);
            }
            weight.replace(value);
        }
    }

    private static Tensor outIn(Linear layer) {
        Tensor weight = layer.weight().as(DType.FLOAT32);
        return layer.layout() == Linear.Layout.OUT_IN ? weight : weight.transpose(0, 1);
    }

    /**
     * The packed values of a parameter that has such ones, and in no other order by now.
     *
     * @param parameter any
     * @return its values, or null
     */
    static @Nullable PackedValue of(Parameter parameter) {
        return parameter.form() instanceof PackedValue value && value.isPacked() ? value : null;
    }

    /**
     * Weights that were packed as one.
     *
     * @param layers in some order
     * @return their product's factor: the first layer's outputs come first; null where these layers are not all of it in this order
     */
    static @Nullable PackedWeight of(List<Linear> layers) {
        PackedValue first = of(layers.get(0).weight());
        long rows = 0;
        for (Linear layer : layers) {
            PackedValue value = of(layer.weight());
            if (first == null || value == null || value.stack != first.stack || value.start != rows) {
                return null;
            }
            rows += layer.outFeatures();
        }
        return first != null && rows == first.stack.rows ? first.stack.weight : null;
    }

    private boolean isPacked() {
        Kept now = kept;
        return now == null || now.isUnchanged();
    }

    /**
     * {@code x W^T}.
     *
     * @param x [rows, in] float32
     * @return [rows, out]
     */
    Tensor multiply(Tensor x) {
        Tensor product = stack.weight.multiply(x, null); // [rows, out of all]
        long rows = rows();
        return rows == stack.rows ? product : product.narrow(-1, start, rows);
    }

    private long rows() {
        return shape[layout == Linear.Layout.OUT_IN ? 0 : 1];
    }

    private Tensor unpack() {
        Tensor own = stack.weight.unpack().narrow(0, start, rows()); // [out, in]
        return layout == Linear.Layout.OUT_IN ? own : own.transpose(0, 1);
    }

    private synchronized DenseValue keep() {
        Kept now = kept;
        if (now == null) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                now = Kept.of(new DenseValue(unpack().to(stored).contiguous().copy()));
                kept = now;
            }
        }
        return now.value;
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public DType dtype() {
        Kept now = kept;
        return now == null ? stored : now.value.dtype();
    }

    @Override
    public long bytes() {
        Kept now = kept;
        long packed = shape[0] * shape[1] * Float.BYTES;
        return now == null ? packed : packed + now.value.bytes();
    }

    @Override
    public Device device() {
        return Device.CPU;
    }

    @Override
    public Tensor tensor() {
        return keep().tensor();
    }

    @Override
    public Tensor as(DType dtype) {
        if (kept == null && isFirstRead()) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                return scope.keep(unpack().to(dtype).contiguous());
            }
        }
        return keep().as(dtype);
    }

    private synchronized boolean isFirstRead() {
        return reads++ < READS_BEFORE_KEPT;
    }

    @Override
    public void into(Tensor destination) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            destination.copyInPlace(as(dtype()).detach());
        }
    }

    @Override
    public Tensor local() {
        return tensor();
    }

    @Override
    public boolean isTrainable() {
        Kept now = kept;
        return now != null && now.value.isTrainable();
    }

    @Override
    public void train(String name, DType updateDType) {
        keep().train(name, updateDType);
    }

    @Override
    public void freeze() {
        Kept now = kept;
        if (now != null) {
            now.value.freeze();
        }
    }

    @Override
    public @Nullable Tensor grad() {
        Kept now = kept;
        return now == null ? null : now.value.grad();
    }

    @Override
    public void clearGrad() {
        Kept now = kept;
        if (now != null) {
            now.value.clearGrad();
        }
    }

    @Override
    public void set(Tensor whole) {
        keep().set(whole);
    }

    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            return new DenseValue(as(DType.FLOAT32).copy()).changed(change, narrow);
        }
    }

    @Override
    public void close() {
        Kept now = kept;
        if (now != null) {
            now.value.close();
        }
        stack.release();
    }

    @Override
    public String toString() {
        return "packed for decoding";
    }
}
