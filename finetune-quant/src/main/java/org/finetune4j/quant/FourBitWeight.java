package org.finetune4j.quant;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.quant.kernel.BlockQuantizer;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.quant.kernel.FourBitKernels;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A weight in 4 bits: blocks of values, each divided by its largest magnitude and rounded to one of 16 numbers (Dettmers et
 * al. 2023). Codes, bytes and numbers are those of bitsandbytes.
 */
public final class FourBitWeight implements CompressedWeight {

    /** Decompressed values that stay in the cache between being made and being multiplied. */
    private static final long TILE = 1L << 19;

    private final QuantizationType type;
    private final int blockSize;
    private final long[] shape;
    private final DType dtype;
    private final Tensor packed;
    private final Scales scales;

    /**
     * Takes over codes and scales.
     *
     * @param type NF4 or FP4
     * @param blockSize values that share a scale
     * @param shape the weight's own, such as [out, in]
     * @param dtype the type that the weight had
     * @param packed uint8 [ceil(values / 2), 1], the first value of a pair in the upper half
     * @param scales one for every block
     */
    public FourBitWeight(
            QuantizationType type, int blockSize, long[] shape, DType dtype, Tensor packed, Scales scales) {
        this.type = type;
        this.blockSize = blockSize;
        this.shape = shape.clone();
        this.dtype = dtype;
        this.packed = packed.unscoped();
        this.scales = scales;
    }

    /**
     * Quantises a weight.
     *
     * @param weight any floating-point type
     * @param type NF4 or FP4
     * @param blockSize values that share a scale
     * @param doubleQuantization whether the scales are in 8 bits themselves
     * @return the quantised weight, which the caller closes
     * @throws org.finetune4j.UserErrorException when it holds NaN or infinity
     */
    public static FourBitWeight quantize(
            Tensor weight, QuantizationType type, int blockSize, boolean doubleQuantization) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Optional<DeviceKernels> kernels = DeviceKernels.of(weight.device());
            if (kernels.isPresent()) {
                return DeviceWeights.quantize(kernels.get(), weight, type, blockSize, doubleQuantization);
            }
            long count = weight.numel();
            Tensor packed = Tensors.zeros(DType.UINT8, Device.CPU, (count + 1) / 2, 1);
            Tensor absmax = Tensors.zeros(DType.FLOAT32, Device.CPU, (count + blockSize - 1) / blockSize);
            Tensor source = weight.to(Device.CPU).contiguous();
            new BlockQuantizer(type.codeBook(), blockSize, true).quantize(source, packed, absmax);
            Device device = weight.device();
            Scales scales;
            if (doubleQuantization) {
                scales = Scales.nest(absmax).movedTo(device);
            } else {
                scales = new Scales.Plain(absmax.to(device));
            }
            return new FourBitWeight(type, blockSize, weight.shape(), weight.dtype(), packed.to(device), scales);
        }
    }

    /** Blocks lie along the rows: a part of whole blocks keeps their codes and scales. */
    @Override
    public @Nullable FourBitWeight slice(ParameterSlice part) {
        if (shape.length != 2 || shape[1] % blockSize != 0) {
            return null;
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            long columns = shape[1] / blockSize;
            Tensor codes = packed.view(shape[0], columns, blockSize / 2L);
            Tensor absmax = scales.absmax().view(shape[0], columns);
            long[] own = shape.clone();
            own[part.dimension()] = part.axis().length();
            if (part.dimension() == 1) {
                long[] blocks = wholeBlocks(part);
                if (blocks == null) {
                    return null;
                }
                Tensor index = Tensors.of(blocks, blocks.length).to(device());
                codes = codes.indexSelect(1, index);
                absmax = absmax.indexSelect(1, index);
            } else {
                codes = part.of(codes);
                absmax = part.of(absmax);
            }
            Tensor ownCodes = codes.contiguous().view(-1, 1).copy();
            return new FourBitWeight(
                    type,
                    blockSize,
                    own,
                    dtype,
                    ownCodes,
                    new Scales.Plain(absmax.contiguous().view(-1).copy()));
        }
    }

    /** The numbers of a row's blocks that are in the part, or null where it cuts one. */
    private long @Nullable [] wholeBlocks(ParameterSlice part) {
        long[] elements =
                part.axis().of(Tensors.arange(shape[1], Device.CPU), 0).toLongArray();
        if (elements.length % blockSize != 0) {
            return null;
        }
        long[] blocks = new long[elements.length / blockSize];
        for (int i = 0; i < elements.length; i++) {
            if (elements[i] % blockSize != i % blockSize) {
                return null;
            }
            blocks[i / blockSize] = elements[i] / blockSize;
        }
        return blocks;
    }

    @Override
    public List<Tensor> storage() {
        List<Tensor> all = new ArrayList<>();
        all.add(packed);
        all.addAll(scales.storage());
        return all;
    }

    @Override
    public FourBitWeight over(List<Tensor> storage) {
        return new FourBitWeight(
                type, blockSize, shape, dtype, storage.get(0), scales.over(storage.subList(1, storage.size())));
    }

    @Override
    public FourBitWeight recompress(Tensor weight) {
        FourBitWeight other = quantize(weight, type, blockSize, scales instanceof Scales.Nested);
        return new FourBitWeight(type, blockSize, shape, dtype, other.packed, other.scales);
    }

    /** {@return the kind of the codes} */
    public QuantizationType type() {
        return type;
    }

    /** {@return how many values share a scale} */
    public int blockSize() {
        return blockSize;
    }

    /** {@return the scales of the blocks, which belong to this weight} */
    public Scales scales() {
        return scales;
    }

    /** {@return the codes, uint8 [ceil(values / 2), 1], which belong to this weight} */
    public Tensor packed() {
        return packed;
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public Device device() {
        return packed.device();
    }

    @Override
    public long bytes() {
        return packed.numel() + scales.bytes();
    }

    private long numel() {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    @Override
    public Tensor decompress(DType target) {
        // A GPU's kernels write any type; a CPU's make float32.
        DType made = device().equals(Device.CPU) ? DType.FLOAT32 : target;
        try (TensorScope scope = TensorScope.open()) {
            Tensor values = Tensors.zeros(made, device(), shape);
            decompressInto(values);
            return scope.keep(values.to(target));
        }
    }

    @Override
    public void decompressInto(Tensor destination) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor flat = destination.detach().view(-1);
            Optional<DeviceKernels> kernels = DeviceKernels.of(device());
            if (kernels.isPresent()) {
                DeviceWeights.dequantize(kernels.get(), this, flat);
            } else if (!device().equals(Device.CPU)) {
                flat.copyInPlace(
                        FourBitLookup.dequantize(packed, scales.absmax().to(device()), codes(), blockSize, numel()));
            } else if (destination.dtype() == DType.FLOAT32) {
                FloatBuffer absmax = Scales.view(scales.absmax());
                FourBitKernels.dequantize(packed, absmax, codes(), blockSize, 0, numel(), flat);
            } else {
                flat.copyInPlace(decompress(DType.FLOAT32).view(-1));
            }
        }
    }

    private CodeBook codes() {
        return type.codeBook();
    }

    @Override
    public Tensor multiply(Tensor rows) {
        long in = shape[1];
        long out = shape[0];
        if (!device().equals(Device.CPU) || in % blockSize != 0) {
            try (TensorScope scope = TensorScope.open()) {
                return scope.keep(rows.matmul(decompress(rows.dtype()).t()));
            }
        }
        try (TensorScope scope = TensorScope.open()) {
            Tensor product = Tensors.zeros(DType.FLOAT32, Device.CPU, rows.size(0), out);
            FloatBuffer absmax = Scales.view(scales.absmax());
            long tileRows = Math.max(1, TILE / in);
            Tensor tile = Tensors.zeros(DType.FLOAT32, Device.CPU, Math.min(tileRows, out), in);
            for (long row = 0; row < out; row += tileRows) {
                long count = Math.min(tileRows, out - row);
                FourBitKernels.dequantize(packed, absmax, codes(), blockSize, row * in, count * in, tile);
                try (TensorScope inner = TensorScope.open()) {
                    Tensor part = rows.matmul(tile.narrow(0, 0, count).t()); // [rows, count]
                    product.narrow(1, row, count).copyInPlace(part);
                }
            }
            return scope.keep(product);
        }
    }

    @Override
    public void close() {
        packed.close();
        scales.close();
    }
}
