package org.finetune4j.tensor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.DoubleArrayRef;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** Makes tensors: from values, filled, random, from others, from a file. */
public final class Tensors {

    private Tensors() {}

    private interface Factory {
        org.bytedeco.pytorch.Tensor make(TensorOptions options);
    }

    private static Tensor make(String name, DType dtype, Device device, long[] shape, Factory factory) {
        Torch.ensureLoaded();
        try (TensorOptions options = device.options(dtype)) {
            return Tensor.wrap(factory.make(options));
        } catch (RuntimeException e) {
            throw TensorException.of(name + Arrays.toString(shape), e);
        }
    }

    /**
     * {@return a new tensor of zeros}
     *
     * @param dtype of the elements
     * @param device where the tensor lives
     * @param shape the length of every dimension
     */
    public static Tensor zeros(DType dtype, Device device, long... shape) {
        return make("zeros", dtype, device, shape, options -> torch.zeros(shape, options));
    }

    /**
     * {@return a new tensor whose elements are not set}
     *
     * @param dtype of the elements
     * @param device where the tensor lives
     * @param shape the length of every dimension
     */
    public static Tensor empty(DType dtype, Device device, long... shape) {
        return make("empty", dtype, device, shape, options -> {
            try (MemoryFormatOptional format = new MemoryFormatOptional()) {
                return torch.empty(shape, options, format);
            }
        });
    }

    /**
     * {@return a new tensor of ones}
     *
     * @param dtype of the elements
     * @param device where the tensor lives
     * @param shape the length of every dimension
     */
    public static Tensor ones(DType dtype, Device device, long... shape) {
        return make("ones", dtype, device, shape, options -> torch.ones(shape, options));
    }

    /**
     * {@return a new tensor of one value}
     *
     * @param value of every element
     * @param dtype of the elements
     * @param device where the tensor lives
     * @param shape the length of every dimension
     */
    public static Tensor full(double value, DType dtype, Device device, long... shape) {
        return zeros(dtype, device, shape).fillInPlace(value);
    }

    /**
     * Standard normal values from the {@link RandomGenerator} in use.
     *
     * @param dtype a floating-point type
     * @param device where the tensor lives
     * @param shape the length of every dimension
     * @return a new tensor
     */
    public static Tensor randn(DType dtype, Device device, long... shape) {
        return make("randn", dtype, device, shape, options -> torch.randn(shape, RandomGenerator.on(device), options));
    }

    /**
     * {@code 0, 1, ... end - 1} in an order from the {@link RandomGenerator} in use, on the CPU.
     *
     * @param end one more than the last
     * @return [end], int64
     */
    public static Tensor randomPermutation(long end) {
        return make(
                "randomPermutation",
                DType.INT64,
                Device.CPU,
                new long[] {end},
                options -> torch.randperm(end, RandomGenerator.on(Device.CPU), options));
    }

    /**
     * {@code 0, 1, ... end - 1} as int64.
     *
     * @param end one more than the last
     * @param device where the tensor lives
     * @return [end]
     */
    public static Tensor arange(long end, Device device) {
        return make("arange", DType.INT64, device, new long[] {end}, options -> {
            try (Scalar limit = new Scalar(end)) {
                return torch.arange(limit, options);
            }
        });
    }

    /**
     * A float32 CPU tensor with a copy of {@code values} in row-major order.
     *
     * @param values what is copied
     * @param shape the length of every dimension
     * @return a new tensor
     */
    public static Tensor of(float[] values, long... shape) {
        return shaped(make("of", DType.FLOAT32, Device.CPU, shape, options -> torch.tensor(values, options)), shape);
    }

    /**
     * A float64 CPU tensor with a copy of {@code values} in row-major order.
     *
     * @param values what is copied
     * @param shape the length of every dimension
     * @return a new tensor
     */
    public static Tensor of(double[] values, long... shape) {
        return shaped(
                make("of", DType.FLOAT64, Device.CPU, shape, options -> {
                    // The reference points at native memory: a Java array would be gone before it is read.
                    try (DoublePointer copy = new DoublePointer(values);
                            DoubleArrayRef array = new DoubleArrayRef(copy, values.length)) {
                        return torch.tensor(array, options);
                    }
                }),
                shape);
    }

    /**
     * An int64 CPU tensor with a copy of {@code values} in row-major order.
     *
     * @param values what is copied
     * @param shape the length of every dimension
     * @return a new tensor
     */
    public static Tensor of(long[] values, long... shape) {
        return shaped(make("of", DType.INT64, Device.CPU, shape, options -> torch.tensor(values, options)), shape);
    }

    /**
     * An int64 CPU tensor with a copy of {@code values} in row-major order: token ids, labels, positions.
     *
     * @param values what is copied
     * @param shape the length of every dimension
     * @return a new tensor
     */
    public static Tensor of(int[] values, long... shape) {
        return shaped(make("of", DType.INT64, Device.CPU, shape, options -> torch.tensor(values, options)), shape);
    }

    /**
     * A uint8 CPU tensor with a copy of {@code values} in row-major order.
     *
     * @param values what is copied
     * @param shape the length of every dimension
     * @return a new tensor
     */
    public static Tensor of(byte[] values, long... shape) {
        return shaped(make("of", DType.UINT8, Device.CPU, shape, options -> torch.tensor(values, options)), shape);
    }

    private static Tensor shaped(Tensor flat, long[] shape) {
        return shape.length == 1 ? flat : flat.view(shape);
    }

    /**
     * Joins tensors along an existing dimension.
     *
     * @param tensors of the same shape but for that dimension
     * @param dimension along which they follow one another
     * @return a new tensor
     */
    public static Tensor cat(List<Tensor> tensors, int dimension) {
        return joined("cat", tensors, vector -> torch.cat(vector, dimension));
    }

    /**
     * Joins tensors of one shape along a new dimension.
     *
     * @param tensors at least one
     * @param dimension the place of the new dimension
     * @return a new tensor
     */
    public static Tensor stack(List<Tensor> tensors, int dimension) {
        return joined("stack", tensors, vector -> torch.stack(vector, dimension));
    }

    private static Tensor joined(
            String name, List<Tensor> tensors, Function<TensorVector, org.bytedeco.pytorch.Tensor> operation) {
        Torch.ensureLoaded();
        org.bytedeco.pytorch.Tensor[] natives =
                tensors.stream().map(Tensor::handle).toArray(org.bytedeco.pytorch.Tensor[]::new);
        try (TensorVector vector = new TensorVector(natives)) {
            return Tensor.wrap(operation.apply(vector));
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, tensors.toArray(Tensor[]::new));
        }
    }

    /**
     * Maps a file's bytes as a uint8 vector without reading them. Writing to the tensor changes private pages of memory,
     * never the file.
     *
     * @param file an existing file
     * @param bytes length of the mapping; the file must be at least that long and must not shrink while it is mapped
     * @return [bytes], which belongs to the scope
     */
    public static Tensor mapped(Path file, long bytes) {
        return mapped(file, bytes, false);
    }

    /**
     * Makes a new file of zeros and maps it as a uint8 vector: what is written to the tensor is written to the file. All
     * blocks of the file are reserved first, so that a disk that fills later cannot end the process.
     *
     * @param file where it goes; there must be nothing
     * @param bytes its length, at least 1
     * @return a vector over the whole file, which belongs to the scope
     * @throws UserErrorException when the file cannot be made, or the disk has no room for it; there is no file then
     */
    public static Tensor mappedNew(Path file, long bytes) {
        return mappedNew(file, bytes, FileBlocks::reserve);
    }

    static Tensor mappedNew(Path file, long bytes, FileBlocks.Reservation reservation) {
        try {
            FileBlocks.create(file, bytes, reservation);
        } catch (IOException e) {
            throw new UserErrorException("cannot make " + file + " of " + bytes + " bytes: " + Reasons.of(e), e);
        }
        return mapped(file, bytes, true);
    }

    private static Tensor mapped(Path file, long bytes, boolean writeThrough) {
        Torch.ensureLoaded();
        try (BoolOptional shared = new BoolOptional(writeThrough);
                LongOptional size = new LongOptional(bytes);
                TensorOptions options = Device.CPU.options(DType.UINT8)) {
            return Tensor.wrap(torch.from_file(file.toString(), shared, size, options));
        } catch (RuntimeException e) {
            throw TensorException.of("mapped " + file, e);
        }
    }
}
