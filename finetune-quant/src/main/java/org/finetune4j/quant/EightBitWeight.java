package org.finetune4j.quant;

import java.util.List;
import java.util.Optional;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.quant.kernel.EightBitKernels;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * A weight in 8 bits, row by row (LLM.int8, Dettmers et al. 2022): {@code value = code * absmax[row] / 127}. Products use
 * the decompressed weight: activations are not rounded.
 */
public final class EightBitWeight implements CompressedWeight {

    private final Tensor codes;
    private final Tensor absmax;
    private final DType dtype;

    /**
     * Takes over codes and scales.
     *
     * @param codes int8 [out, in]
     * @param absmax float32 [out]
     * @param dtype the type that the weight had
     */
    public EightBitWeight(Tensor codes, Tensor absmax, DType dtype) {
        this.codes = codes.unscoped();
        this.absmax = absmax.unscoped();
        this.dtype = dtype;
    }

    /**
     * Quantises a matrix.
     *
     * @param weight [out, in], any floating-point type
     * @return the quantised weight, which the caller closes
     * @throws org.finetune4j.UserErrorException when it holds NaN or infinity
     */
    public static EightBitWeight quantize(Tensor weight) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Optional<DeviceKernels> kernels = DeviceKernels.of(weight.device());
            if (kernels.isPresent()) {
                return DeviceWeights.quantizeRows(kernels.get(), weight);
            }
            Tensor codes = Tensors.zeros(DType.INT8, Device.CPU, weight.shape());
            Tensor absmax = Tensors.zeros(DType.FLOAT32, Device.CPU, weight.size(0));
            EightBitKernels.quantizeRows(weight.detach().to(Device.CPU), codes, absmax);
            return new EightBitWeight(codes.to(weight.device()), absmax.to(weight.device()), weight.dtype());
        }
    }

    @Override
    public List<Tensor> storage() {
        return List.of(codes, absmax);
    }

    @Override
    public EightBitWeight over(List<Tensor> storage) {
        return new EightBitWeight(storage.get(0), storage.get(1), dtype);
    }

    @Override
    public EightBitWeight recompress(Tensor weight) {
        EightBitWeight other = quantize(weight);
        return new EightBitWeight(other.codes, other.absmax, dtype);
    }

    /** {@return the codes, int8 [out, in], which belong to this weight} */
    public Tensor codes() {
        return codes;
    }

    /** {@return the scales, float32 [out], which belong to this weight} */
    public Tensor absmax() {
        return absmax;
    }

    @Override
    public long[] shape() {
        return codes.shape();
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public Device device() {
        return codes.device();
    }

    @Override
    public long bytes() {
        return codes.numel() + absmax.numel() * Float.BYTES;
    }

    @Override
    public Tensor decompress(DType target) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor values = Tensors.zeros(DType.FLOAT32, device(), shape());
            decompressInto(values);
            return scope.keep(values.to(target));
        }
    }

    @Override
    public void decompressInto(Tensor destination) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            Optional<DeviceKernels> kernels = DeviceKernels.of(device());
            if (kernels.isPresent()) {
                DeviceWeights.dequantizeRows(kernels.get(), this, destination.detach());
            } else {
                EightBitKernels.dequantizeRows(codes, absmax, destination);
            }
        }
    }

    @Override
    public Tensor multiply(Tensor rows) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor product = rows.matmul(codes.to(DType.FLOAT32).t()); // [rows, out]
            return scope.keep(product.mulInPlace(absmax.div(127)));
        }
    }

    @Override
    public void close() {
        codes.close();
        absmax.close();
    }
}
