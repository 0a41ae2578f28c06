package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.stream.Stream;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.quant.kernel.BlockQuantizer;
import org.finetune4j.quant.kernel.EightBitKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Codes, bytes and numbers of bitsandbytes. */
class FourBitGoldenTest {

    static final Path GOLDENS = Path.of("src/test/resources/goldens/quant");

    static Stream<String> cases() {
        try (SafetensorsFile file = SafetensorsFile.open(GOLDENS.resolve("fourbit.safetensors"))) {
            return file.names().stream()
                    .filter(name -> name.endsWith(".packed"))
                    .map(name -> name.substring(0, name.length() - ".packed".length()))
                    .sorted();
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void fourBitWeightsAreThoseOfBitsandbytes(String name) {
        String[] parts = name.split("\\.");
        boolean nested = name.endsWith(".nested");
        int blockSize = Integer.parseInt(parts[2].substring(1));
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(GOLDENS.resolve("fourbit.safetensors"));
                FourBitWeight weight = FourBitWeight.quantize(
                        file.tensor(parts[0] + ".weight"),
                        QuantizationType.named(parts[1], "test"),
                        blockSize,
                        nested)) {
            assertArrayEquals(
                    file.tensor(name + ".packed").toByteArray(), weight.packed().toByteArray());
            if (weight.scales() instanceof Scales.Nested scales) {
                assertArrayEquals(
                        file.tensor(name + ".absmax").toByteArray(),
                        scales.codes().toByteArray());
                assertClose(file.tensor(name + ".nested_absmax"), scales.nestedAbsmax());
                assertEquals(file.tensor(name + ".offset").item(), scales.offset(), 1e-6 * Math.abs(scales.offset()));
                assertClose(file.tensor(name + ".absmax_restored"), scales.absmax());
            } else {
                assertClose(file.tensor(name + ".absmax"), weight.scales().absmax());
            }
            Tensor dequantised = weight.decompress(DType.FLOAT32);
            assertClose(file.tensor(name + ".dequant"), dequantised);
            Tensor looked = FourBitLookup.dequantize(
                    weight.packed(),
                    weight.scales().absmax(),
                    weight.type().codeBook(),
                    blockSize,
                    dequantised.numel());
            assertEquals(0, looked.sub(dequantised.view(-1)).abs().max().item(), "the lookup by libtorch agrees");
        }
    }

    @Test
    void codeBooksAreThoseOfBitsandbytes() {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(GOLDENS.resolve("maps.safetensors"))) {
            assertArrayEquals(file.tensor("nf4").toFloatArray(), CodeBook.NF4.values());
            assertArrayEquals(file.tensor("fp4").toFloatArray(), CodeBook.FP4.values());
            assertArrayEquals(file.tensor("dynamic_signed").toFloatArray(), CodeBook.DYNAMIC_SIGNED.values());
            assertArrayEquals(file.tensor("dynamic_unsigned").toFloatArray(), CodeBook.DYNAMIC_UNSIGNED.values());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"signed", "unsigned"})
    void blocksOfEightBitsAreThoseOfBitsandbytes(String name) {
        CodeBook book = name.equals("signed") ? CodeBook.DYNAMIC_SIGNED : CodeBook.DYNAMIC_UNSIGNED;
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(GOLDENS.resolve("eightbit.safetensors"))) {
            Tensor x = file.tensor(name + ".x");
            Tensor codes = Tensors.zeros(DType.UINT8, Device.CPU, x.numel());
            Tensor absmax = Tensors.zeros(DType.FLOAT32, Device.CPU, 2);
            new BlockQuantizer(book, 256, false).quantize(x, codes, absmax);
            assertArrayEquals(file.tensor(name + ".codes").toByteArray(), codes.toByteArray());
            assertClose(file.tensor(name + ".absmax"), absmax);
            Tensor values = Tensors.zeros(DType.FLOAT32, Device.CPU, x.numel());
            EightBitKernels.dequantize(codes, absmax, book, 256, values);
            assertClose(file.tensor(name + ".dequant"), values);
        }
    }

    @Test
    void rowsOfEightBitsAreThoseOfBitsandbytes() {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(GOLDENS.resolve("eightbit.safetensors"));
                EightBitWeight weight = EightBitWeight.quantize(file.tensor("int8_rowwise.x"))) {
            assertArrayEquals(
                    file.tensor("int8_rowwise.codes").toLongArray(),
                    weight.codes().toLongArray());
            assertClose(file.tensor("int8_rowwise.row_absmax"), weight.absmax());
            assertClose(file.tensor("int8_rowwise.dequant"), weight.decompress(DType.FLOAT32));
        }
    }

    /** 1e-6, relative to each number. */
    static void assertClose(Tensor expected, Tensor actual) {
        float[] wanted = expected.to(DType.FLOAT32).toFloatArray();
        float[] found = actual.toFloatArray();
        assertEquals(wanted.length, found.length);
        // A bfloat16 weight's numbers are rounded to it.
        double relative = expected.dtype() == DType.BFLOAT16 ? 1.0 / 256 : 1e-6;
        for (int i = 0; i < wanted.length; i++) {
            assertTrue(
                    Math.abs(wanted[i] - found[i]) <= relative * Math.abs(wanted[i]),
                    "value " + i + ": " + found[i] + ", expected " + wanted[i]);
        }
    }
}
