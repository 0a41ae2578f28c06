package org.finetune4j.tensor;

import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.Consumer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * The part of a {@link Tensor} that is not arithmetic: who owns the native memory and until when, what shape and dtype
 * it has, and how its values come to the heap.
 */
public abstract sealed class NativeArray implements AutoCloseable permits NativeCalls {

    private static final Cleaner VIEWS = Cleaner.create();

    private org.bytedeco.pytorch.@Nullable Tensor handle;
    private @Nullable TensorScope scope;
    private int slot;
    private long @Nullable [] shape;

    NativeArray(org.bytedeco.pytorch.Tensor handle) {
        this.handle = handle;
    }

    // ---- life ----

    final org.bytedeco.pytorch.Tensor handle() {
        org.bytedeco.pytorch.Tensor live = handle;
        if (live == null) {
            throw new IllegalStateException(
                    "tensor used after close" + (shape == null ? "" : ": its shape was " + Arrays.toString(shape)));
        }
        return live;
    }

    @Nullable
    TensorScope scope() {
        return scope;
    }

    int slot() {
        return slot;
    }

    void enter(TensorScope newScope, int newSlot) {
        scope = newScope;
        slot = newSlot;
    }

    void leave() {
        scope = null;
    }

    final void detachFromScope() {
        if (scope != null) {
            scope.remove(this);
        }
    }

    /**
     * Whether {@link #close()} was called, by the caller or by a scope.
     *
     * @return true from then on
     */
    public boolean isClosed() {
        return handle == null;
    }

    /** Frees this side's reference to the memory. Closing twice is fine. */
    @Override
    public void close() {
        org.bytedeco.pytorch.Tensor live = handle;
        if (live == null) {
            return;
        }
        detachFromScope();
        handle = null;
        live.deallocate();
    }

    // ---- what it is ----

    /**
     * The length of every dimension; the caller may change the returned array.
     *
     * @return a new array
     */
    public long[] shape() {
        org.bytedeco.pytorch.Tensor live = handle();
        if (shape == null) {
            long[] sizes = new long[(int) live.dim()];
            for (int i = 0; i < sizes.length; i++) {
                sizes[i] = live.size(i);
            }
            shape = sizes;
        }
        return shape.clone();
    }

    /** {@return the number of dimensions} */
    public int dim() {
        return (int) handle().dim();
    }

    /**
     * The length of one dimension; negative numbers count from the last.
     *
     * @param dimension which one
     * @return its length
     */
    public long size(int dimension) {
        long[] sizes = shape == null ? shape() : shape;
        int index = dimension < 0 ? dimension + sizes.length : dimension;
        if (handle == null || index < 0 || index >= sizes.length) {
            handle();
            throw new TensorException("size(" + dimension + "): no such dimension in " + describe());
        }
        return sizes[index];
    }

    /**
     * How often libtorch has changed the values in place; what is written through an address is not counted.
     *
     * @return grows with every change
     */
    public long version() {
        return handle()._version();
    }

    /** {@return the number of elements} */
    public long numel() {
        return handle().numel();
    }

    /** {@return the type of the elements} */
    public DType dtype() {
        return DType.of(handle().scalar_type());
    }

    /** {@return where the elements are} */
    public Device device() {
        org.bytedeco.pytorch.Tensor live = handle();
        if (!live.is_cuda()) {
            return Device.CPU;
        }
        try (org.bytedeco.pytorch.Device device = live.device()) {
            return new Device(Device.Type.CUDA, device.index());
        }
    }

    /** {@return whether the elements lie in row-major order without gaps} */
    public boolean isContiguous() {
        return handle().is_contiguous();
    }

    String describe() {
        return handle == null ? "closed tensor" : Arrays.toString(shape()) + " " + dtype();
    }

    @Override
    public String toString() {
        return "Tensor(" + describe() + ")";
    }

    // ---- to the heap ----

    /**
     * The value of a one-element tensor.
     *
     * @return the value
     */
    public double item() {
        if (numel() != 1) {
            throw new TensorException("item() needs one element, not " + describe());
        }
        return dtype() == DType.FLOAT64
                ? handle().item_double()
                : dtype().isFloatingPoint() ? handle().item_float() : handle().item_long();
    }

    /** {@return all elements in row-major order as float32} */
    public float[] toFloatArray() {
        float[] values = new float[heapLength()];
        read(DType.FLOAT32, data -> new FloatPointer(data).get(values, 0, values.length));
        return values;
    }

    /** {@return all elements in row-major order as float64} */
    public double[] toDoubleArray() {
        double[] values = new double[heapLength()];
        read(DType.FLOAT64, data -> new DoublePointer(data).get(values, 0, values.length));
        return values;
    }

    /** {@return all elements in row-major order as int64} */
    public long[] toLongArray() {
        long[] values = new long[heapLength()];
        read(DType.INT64, data -> new LongPointer(data).get(values, 0, values.length));
        return values;
    }

    /** {@return all elements of a uint8 tensor in row-major order} */
    public byte[] toByteArray() {
        byte[] values = new byte[heapLength()];
        read(DType.UINT8, data -> new BytePointer(data).get(values, 0, values.length));
        return values;
    }

    /**
     * Copies raw bytes of a contiguous CPU tensor to the heap.
     *
     * @param offset first byte
     * @param destination where they go, from its start
     * @param length how many
     */
    public void readBytes(long offset, byte[] destination, int length) {
        long size = numel() * dtype().itemSize();
        if (!isContiguous()
                || handle().is_cuda()
                || offset < 0
                || length < 0
                || length > destination.length
                || length > size - offset) {
            throw new TensorException("cannot read bytes " + offset + ".." + (offset + length) + " of " + describe()
                    + " on " + device() + (isContiguous() ? "" : ", not contiguous"));
        }
        try (BytePointer data = new BytePointer(handle().data_ptr())) {
            data.position(offset).get(destination, 0, length);
        }
    }

    /** Has nothing to do when a view is gone: until then the cleaner refers to it, and it to the tensor. */
    private record Kept(NativeArray tensor) implements Runnable {

        @Override
        public void run() {}
    }

    /**
     * A view of this tensor's memory, without a copy, for kernels that are written in Java. It is valid until the tensor is closed, and
     * nothing checks that: keep it open while the view is in use. A tensor that is not closed stays as long as its views. Autograd does
     * not see what is written.
     *
     * @param offset first byte
     * @param length of the view in bytes, at most {@link Integer#MAX_VALUE}
     * @return the view, in the machine's byte order
     * @throws TensorException when the tensor is not contiguous, not on the CPU, or smaller than that
     */
    public ByteBuffer memory(long offset, long length) {
        long size = numel() * dtype().itemSize();
        if (!isContiguous() || handle().is_cuda() || offset < 0 || length < 0 || length > size - offset) {
            throw new TensorException("no view of bytes " + offset + ".." + (offset + length) + " of " + describe()
                    + " on " + device() + (isContiguous() ? "" : ", not contiguous"));
        }
        if (length == 0) {
            return ByteBuffer.allocateDirect(0);
        }
        try (BytePointer data = new BytePointer(handle().data_ptr())) {
            ByteBuffer whole = data.position(offset)
                    .limit(offset + Math.toIntExact(length))
                    .asByteBuffer();
            VIEWS.register(whole, new Kept(this)); // which all that is made of it refers to
            // What comes before the offset must not be in reach of absolute positions.
            return whole.slice().order(ByteOrder.nativeOrder());
        }
    }

    private int heapLength() {
        long count = numel();
        if (count > Integer.MAX_VALUE - 8) {
            throw new TensorException(describe() + " has more elements than a Java array can hold");
        }
        return (int) count;
    }

    private void read(DType dtype, Consumer<Pointer> reader) {
        if (numel() == 0) {
            return;
        }
        try (org.bytedeco.pytorch.Tensor detached = handle().detach();
                org.bytedeco.pytorch.Tensor local = detached.cpu();
                org.bytedeco.pytorch.Tensor converted = local.to(dtype.scalarType());
                org.bytedeco.pytorch.Tensor rows = converted.contiguous()) {
            reader.accept(rows.data_ptr());
        }
    }
}
