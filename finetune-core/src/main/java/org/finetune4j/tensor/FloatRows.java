package org.finetune4j.tensor;

import org.bytedeco.javacpp.FloatPointer;

/**
 * Float32 numbers of tensors on the CPU, in Java's arrays and back: for work on so few that libtorch's calls take longer than the work.
 * Autograd does not see what is written.
 */
public final class FloatRows {

    private FloatRows() {}

    /**
     * Whether a tensor's numbers can be read and used here: nothing is recorded for a backward pass.
     *
     * @param tensor of any kind
     * @return whether it has float32 numbers on the CPU
     */
    public static boolean areReadable(Tensor tensor) {
        return !Autograd.isEnabled() && tensor.handle().is_cpu() && tensor.dtype() == DType.FLOAT32;
    }

    /**
     * A copy of all numbers in row-major order.
     *
     * @param tensor whose numbers are {@link #areReadable readable}; its rows, along the first dimension, may lie apart
     * @return as many numbers as it has
     * @throws TensorException when it is of another type or not on the CPU
     */
    public static float[] read(Tensor tensor) {
        org.bytedeco.pytorch.Tensor source = tensor.handle();
        if (!source.is_cpu() || tensor.dtype() != DType.FLOAT32) {
            throw new TensorException("numbers of " + tensor.describe() + " on " + tensor.device() + " cannot be read");
        }
        float[] values = new float[Math.toIntExact(source.numel())];
        if (values.length == 0) {
            return values;
        }
        boolean isWhole = source.is_contiguous();
        if (!isWhole && !isRowContiguous(tensor)) {
            return tensor.toFloatArray();
        }
        int rows = isWhole ? 1 : Math.toIntExact(tensor.size(0));
        int width = values.length / rows;
        try (FloatPointer data = new FloatPointer(source.data_ptr())) {
            long apart = rows == 1 ? 0 : source.stride(0);
            for (int row = 0; row < rows; row++) {
                data.position(row * apart).get(values, row * width, width);
            }
        }
        return values;
    }

    /** Whether the numbers of one row follow each other. */
    private static boolean isRowContiguous(Tensor tensor) {
        long expected = 1;
        for (int dimension = tensor.dim() - 1; dimension > 0; dimension--) {
            long size = tensor.size(dimension);
            if (size > 1 && tensor.handle().stride(dimension) != expected) {
                return false;
            }
            expected *= size;
        }
        return true;
    }

    /**
     * A new tensor.
     *
     * @param values in row-major order
     * @param shape of as many numbers
     * @return it, on the CPU
     */
    public static Tensor tensor(float[] values, long... shape) {
        Tensor tensor = Tensors.empty(DType.FLOAT32, Device.CPU, shape);
        if (values.length != tensor.numel()) {
            throw new TensorException(values.length + " numbers are not a tensor of " + tensor.describe());
        }
        if (values.length > 0) {
            try (FloatPointer data = new FloatPointer(tensor.handle().data_ptr())) {
                data.put(values, 0, values.length);
            }
        }
        return tensor;
    }

    /**
     * Where a tensor's numbers lie, to write some of them.
     *
     * @param tensor contiguous, float32, on the CPU; it stays open while it is written
     * @return its numbers
     */
    public static Numbers numbers(Tensor tensor) {
        if (!tensor.isContiguous() || tensor.handle().is_cuda() || tensor.dtype() != DType.FLOAT32) {
            throw new TensorException(
                    "numbers of " + tensor.describe() + " on " + tensor.device() + " cannot be written");
        }
        return new Numbers(new FloatPointer(tensor.handle().data_ptr()), tensor.numel());
    }

    /** The numbers of a contiguous tensor. */
    public static final class Numbers implements AutoCloseable {

        private final FloatPointer data;
        private final long count;

        private Numbers(FloatPointer data, long count) {
            this.data = data;
            this.count = count;
        }

        /**
         * Writes some of them.
         *
         * @param at the first one's number
         * @param values what is written
         * @param from the first of these
         * @param length how many
         * @throws IndexOutOfBoundsException when there are not as many
         */
        public void write(long at, float[] values, int from, int length) {
            if (at < 0 || length < 0 || at > count - length || from < 0 || from > values.length - length) {
                throw new IndexOutOfBoundsException("numbers " + at + " to " + (at + length) + " of " + count + " from "
                        + from + " of " + values.length);
            }
            data.position(at).put(values, from, length);
        }

        /** Forgets where they lie; the tensor is open as before. */
        @Override
        public void close() {
            data.close();
        }
    }
}
