package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.cuda.HostCuda;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Weights that a GPU's kernels make and unpack are those of the CPU; the kernels run on the host here. */
@Tag("slow")
class DeviceWeightsTest {

    @TempDir
    Path cache;

    @ParameterizedTest
    @CsvSource({"NF4, 64, true", "NF4, 64, false", "FP4, 128, true", "FP4, 32, false"})
    void fourBitWeightsAreTheSame(QuantizationType type, int blockSize, boolean nested) {
        DeviceKernels kernels = HostCuda.kernels(cache);
        try (TensorScope scope = TensorScope.open()) {
            Torch.seed(1);
            Tensor source = Tensors.randn(DType.FLOAT32, Device.CPU, 33, 67).to(DType.BFLOAT16);
            try (FourBitWeight expected = FourBitWeight.quantize(source, type, blockSize, nested);
                    FourBitWeight weight = DeviceWeights.quantize(kernels, source, type, blockSize, nested)) {
                assertArrayEquals(
                        expected.packed().toByteArray(), weight.packed().toByteArray());
                assertArrayEquals(
                        expected.scales().absmax().toFloatArray(),
                        weight.scales().absmax().toFloatArray());
                assertEquals(expected.bytes(), weight.bytes());
                for (DType dtype : new DType[] {DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64}) {
                    Tensor destination = Tensors.zeros(dtype, Device.CPU, 33, 67);
                    DeviceWeights.dequantize(kernels, weight, destination);
                    assertArrayEquals(expected.decompress(dtype).toFloatArray(), destination.toFloatArray());
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64"})
    void eightBitWeightsAreTheSame(DType dtype) {
        DeviceKernels kernels = HostCuda.kernels(cache);
        try (TensorScope scope = TensorScope.open()) {
            Torch.seed(2);
            Tensor source = Tensors.randn(DType.FLOAT32, Device.CPU, 9, 301).to(dtype);
            try (EightBitWeight expected = EightBitWeight.quantize(source);
                    EightBitWeight weight = DeviceWeights.quantizeRows(kernels, source)) {
                assertArrayEquals(expected.codes().toLongArray(), weight.codes().toLongArray());
                assertArrayEquals(
                        expected.absmax().toFloatArray(), weight.absmax().toFloatArray());
                Tensor destination = Tensors.zeros(dtype, Device.CPU, 301, 9).t();
                DeviceWeights.dequantizeRows(kernels, weight, destination);
                assertArrayEquals(expected.decompress(dtype).toFloatArray(), destination.toFloatArray());
            }
        }
    }

    @Test
    void whatIsNotANumberIsRefused() {
        DeviceKernels kernels = HostCuda.kernels(cache);
        try (TensorScope scope = TensorScope.open()) {
            Tensor source = Tensors.full(Double.NaN, DType.FLOAT32, Device.CPU, 4, 64);
            assertThrows(
                    UserErrorException.class,
                    () -> DeviceWeights.quantize(kernels, source, QuantizationType.NF4, 64, true));
            assertThrows(UserErrorException.class, () -> DeviceWeights.quantizeRows(kernels, source));
        }
    }
}
