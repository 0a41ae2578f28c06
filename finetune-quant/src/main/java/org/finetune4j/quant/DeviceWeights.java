package org.finetune4j.quant;

import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** What weights on a device that is not the CPU do with its kernels. */
final class DeviceWeights {

    private DeviceWeights() {}

    private static boolean isKnown(DType dtype) {
        return dtype == DType.FLOAT32 || dtype == DType.FLOAT16 || dtype == DType.BFLOAT16;
    }

    /** Values as the kernels read them, in memory of their own only when they must be converted. */
    private static Tensor readable(Tensor weight) {
        Tensor values = weight.detach();
        return (isKnown(values.dtype()) ? values : values.to(DType.FLOAT32)).contiguous();
    }

    /** @throws org.finetune4j.UserErrorException when the weight holds NaN or infinity */
    static FourBitWeight quantize(
            DeviceKernels kernels, Tensor weight, QuantizationType type, int blockSize, boolean doubleQuantization) {
        Device device = weight.device();
        long count = weight.numel();
        Tensor packed = Tensors.zeros(DType.UINT8, device, (count + 1) / 2, 1);
        Tensor absmax = Tensors.zeros(DType.FLOAT32, device, (count + blockSize - 1) / blockSize);
        kernels.quantize(readable(weight), type.codeBook(), blockSize, true, packed, absmax);
        Scales scales = doubleQuantization
                // On the CPU: there are few scales, and the offset must be the mean that the CPU would find.
                ? Scales.nest(absmax.to(Device.CPU)).movedTo(device)
                : new Scales.Plain(absmax);
        return new FourBitWeight(type, blockSize, weight.shape(), weight.dtype(), packed, scales);
    }

    static void dequantize(DeviceKernels kernels, FourBitWeight weight, Tensor destination) {
        if (!isKnown(destination.dtype()) || !destination.isContiguous()) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor values = Tensors.zeros(DType.FLOAT32, destination.device(), destination.shape());
                dequantize(kernels, weight, values);
                destination.copyInPlace(values);
            }
        } else if (weight.scales() instanceof Scales.Nested scales) {
            kernels.dequantizeFourBit(
                    weight.packed(),
                    scales.codes(),
                    scales.nestedAbsmax(),
                    scales.offset(),
                    weight.type().codeBook(),
                    weight.blockSize(),
                    destination);
        } else {
            Tensor absmax = weight.scales().absmax();
            kernels.dequantizeFourBit(
                    weight.packed(), absmax, weight.type().codeBook(), weight.blockSize(), destination);
        }
    }

    /** @throws org.finetune4j.UserErrorException when the weight holds NaN or infinity */
    static EightBitWeight quantizeRows(DeviceKernels kernels, Tensor weight) {
        Tensor codes = Tensors.zeros(DType.INT8, weight.device(), weight.shape());
        Tensor absmax = Tensors.zeros(DType.FLOAT32, weight.device(), weight.size(0));
        kernels.quantizeRows(readable(weight), codes, absmax);
        return new EightBitWeight(codes, absmax, weight.dtype());
    }

    static void dequantizeRows(DeviceKernels kernels, EightBitWeight weight, Tensor destination) {
        if (!isKnown(destination.dtype()) || !destination.isContiguous()) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor values = Tensors.zeros(DType.FLOAT32, destination.device(), destination.shape());
                dequantizeRows(kernels, weight, values);
                destination.copyInPlace(values);
            }
        } else {
            kernels.dequantizeRows(weight.codes(), weight.absmax(), destination);
        }
    }
}
