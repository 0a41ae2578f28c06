package org.finetune4j.quant.cuda;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.quant.kernel.AdamKernel;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorException;
import org.finetune4j.tensor.TensorScope;

/** The kernels of one GPU. */
final class CudaKernels implements DeviceKernels {

    private static final int THREADS = 256;
    private static final int WARP = 32;

    private final KernelLauncher launcher;
    private final Device device;
    private final Map<CodeBook, Tensor> books = new ConcurrentHashMap<>();

    CudaKernels(KernelLauncher launcher, Device device) {
        this.launcher = launcher;
        this.device = device;
    }

    @Override
    public void quantize(Tensor values, CodeBook book, int blockSize, boolean packed, Tensor codes, Tensor absmax) {
        long count = values.numel();
        int threads = Math.max(WARP, Math.min(THREADS, Integer.highestOneBit(blockSize) / 2));
        launcher.launch(
                (packed ? "quantize_4bit_" : "quantize_8bit_") + suffix(values),
                blocks(count, blockSize),
                threads,
                new KernelArguments()
                        .tensor(values)
                        .tensor(onDevice(book))
                        .tensor(codes)
                        .tensor(absmax)
                        .number(blockSize)
                        .number(count));
        refuseUnlessFinite(absmax);
    }

    @Override
    public void dequantizeFourBit(Tensor packed, Tensor absmax, CodeBook book, int blockSize, Tensor destination) {
        long count = destination.numel();
        launcher.launch(
                "dequantize_4bit_" + suffix(destination),
                blocks(count, 8 * THREADS),
                THREADS,
                new KernelArguments()
                        .tensor(packed)
                        .tensor(absmax)
                        .tensor(onDevice(book))
                        .number(shift(blockSize))
                        .number(count)
                        .tensor(destination));
    }

    @Override
    public void dequantizeFourBit(
            Tensor packed,
            Tensor scaleCodes,
            Tensor nestedAbsmax,
            float offset,
            CodeBook book,
            int blockSize,
            Tensor destination) {
        long count = destination.numel();
        launcher.launch(
                "dequantize_4bit_nested_" + suffix(destination),
                blocks(count, 8 * THREADS),
                THREADS,
                new KernelArguments()
                        .tensor(packed)
                        .tensor(scaleCodes)
                        .tensor(nestedAbsmax)
                        .tensor(onDevice(CodeBook.DYNAMIC_SIGNED))
                        .number(offset)
                        .tensor(onDevice(book))
                        .number(shift(blockSize))
                        .number(count)
                        .tensor(destination));
    }

    @Override
    public void dequantizeEightBit(Tensor codes, Tensor absmax, CodeBook book, int blockSize, Tensor destination) {
        long count = destination.numel();
        launcher.launch(
                "dequantize_8bit_" + suffix(destination),
                blocks(count, THREADS),
                THREADS,
                new KernelArguments()
                        .tensor(codes)
                        .tensor(absmax)
                        .tensor(onDevice(book))
                        .number(blockSize)
                        .number(count)
                        .tensor(destination));
    }

    @Override
    public void quantizeRows(Tensor matrix, Tensor codes, Tensor absmax) {
        launcher.launch(
                "quantize_rows_" + suffix(matrix),
                matrix.size(0),
                THREADS,
                new KernelArguments()
                        .tensor(matrix)
                        .tensor(codes)
                        .tensor(absmax)
                        .number(matrix.size(0))
                        .number(matrix.size(1)));
        refuseUnlessFinite(absmax);
    }

    @Override
    public void dequantizeRows(Tensor codes, Tensor absmax, Tensor destination) {
        launcher.launch(
                "dequantize_rows_" + suffix(destination),
                codes.size(0),
                THREADS,
                new KernelArguments()
                        .tensor(codes)
                        .tensor(absmax)
                        .number(codes.size(0))
                        .number(codes.size(1))
                        .tensor(destination));
    }

    @Override
    public void adamStep(
            Tensor value,
            Tensor gradient,
            Tensor first,
            Tensor second,
            Tensor firstAbsmax,
            Tensor secondAbsmax,
            AdamKernel.Update update) {
        long count = value.numel();
        launcher.launch(
                "adamw_8bit",
                blocks(count, AdamKernel.BLOCK_SIZE),
                AdamKernel.BLOCK_SIZE,
                new KernelArguments()
                        .tensor(value)
                        .tensor(gradient)
                        .tensor(first)
                        .tensor(second)
                        .tensor(firstAbsmax)
                        .tensor(secondAbsmax)
                        .tensor(onDevice(CodeBook.DYNAMIC_SIGNED))
                        .tensor(onDevice(CodeBook.DYNAMIC_UNSIGNED))
                        .number(update.settings().beta1())
                        .number(update.settings().beta2())
                        .number(update.settings().epsilon())
                        .number(update.stepSize())
                        .number(update.correction2())
                        .number(update.decay())
                        .number(count));
    }

    private Tensor onDevice(CodeBook book) {
        return books.computeIfAbsent(book, key -> {
            try (TensorScope scope = TensorScope.open()) {
                return CudaBook.on(device, key).unscoped();
            }
        });
    }

    /** The kernels find the largest magnitudes anyway; looking at them waits for the device. */
    private static void refuseUnlessFinite(Tensor absmax) {
        try (TensorScope scope = TensorScope.open()) {
            // The sum of something times zero is zero unless something is infinite or NaN.
            if (absmax.numel() > 0 && absmax.mul(0).sum().item() != 0) {
                throw new UserErrorException("a weight holds NaN or infinity: it cannot be quantised");
            }
        }
    }

    private static long blocks(long count, int size) {
        return (count + size - 1) / size;
    }

    private static int shift(int blockSize) {
        if (blockSize < 8 || Integer.bitCount(blockSize) != 1) {
            throw new UserErrorException(
                    "a block size of " + blockSize + " is not possible on a GPU, expected a power of two from 8 on");
        }
        return Integer.numberOfTrailingZeros(blockSize);
    }

    private static String suffix(Tensor tensor) {
        DType dtype = tensor.dtype();
        return switch (dtype) {
            case FLOAT32 -> "float32";
            case FLOAT16 -> "float16";
            case BFLOAT16 -> "bfloat16";
            default ->
                throw new TensorException("the kernels of a GPU know float32, float16 and bfloat16, not " + dtype);
        };
    }
}
