package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.quant.Scales;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.quant.kernel.AdamKernel;
import org.finetune4j.quant.kernel.BlockQuantizer;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.quant.kernel.EightBitKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kernel of a device gives the bits of its twin in Java. */
abstract class DeviceKernelsContract {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/quant");
    private static final List<DType> TYPES = List.of(DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16);

    private TensorScope scope;
    private DeviceKernels kernels;

    /** Skips the test where they cannot run. */
    abstract DeviceKernels open();

    abstract Device device();

    @BeforeEach
    final void openKernels() {
        kernels = open();
        scope = TensorScope.open();
    }

    @AfterEach
    final void closeScope() {
        if (scope != null) {
            scope.close();
        }
    }

    // ---- quantising ----

    @ParameterizedTest
    @CsvSource({"64, 4096", "64, 4097", "32, 33", "128, 1000", "256, 255", "1024, 3000", "4096, 8191", "64, 1"})
    void fourBitCodesAreThoseOfTheTwin(int blockSize, int count) {
        for (CodeBook book : List.of(CodeBook.NF4, CodeBook.FP4)) {
            for (DType dtype : TYPES) {
                assertQuantizesAsTwin(values(count, dtype), book, blockSize, true);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"256, 4096", "256, 300", "64, 65", "4096, 5000"})
    void eightBitCodesAreThoseOfTheTwin(int blockSize, int count) {
        for (CodeBook book : List.of(CodeBook.DYNAMIC_SIGNED, CodeBook.DYNAMIC_UNSIGNED)) {
            for (DType dtype : TYPES) {
                assertQuantizesAsTwin(values(count, dtype), book, blockSize, false);
            }
        }
    }

    @Test
    void everyNumberInSixteenBitsIsReadAsLibtorchReadsIt() {
        for (DType dtype : List.of(DType.FLOAT16, DType.BFLOAT16)) {
            int exponent = dtype == DType.FLOAT16 ? 0x7c00 : 0x7f80;
            List<Byte> bytes = new ArrayList<>();
            for (int bits = 0; bits < 1 << 16; bits++) {
                if ((bits & exponent) != exponent) { // neither infinite nor NaN
                    bytes.add((byte) bits);
                    bytes.add((byte) (bits >> 8));
                }
            }
            byte[] array = new byte[bytes.size()];
            for (int i = 0; i < array.length; i++) {
                array[i] = bytes.get(i);
            }
            Tensor all = Tensors.of(array, array.length).viewAs(dtype);
            assertQuantizesAsTwin(all, CodeBook.NF4, 64, true);
        }
    }

    private void assertQuantizesAsTwin(Tensor values, CodeBook book, int blockSize, boolean packed) {
        long count = values.numel();
        long bytes = packed ? (count + 1) / 2 : count;
        long blocks = (count + blockSize - 1) / blockSize;
        Tensor expectedCodes = Tensors.zeros(DType.UINT8, Device.CPU, bytes);
        Tensor expectedAbsmax = Tensors.zeros(DType.FLOAT32, Device.CPU, blocks);
        new BlockQuantizer(book, blockSize, packed).quantize(values, expectedCodes, expectedAbsmax);
        Tensor codes = Tensors.full(0xee, DType.UINT8, device(), bytes);
        Tensor absmax = Tensors.full(-1, DType.FLOAT32, device(), blocks);
        kernels.quantize(values.to(device()), book, blockSize, packed, codes, absmax);
        assertArrayEquals(expectedAbsmax.toFloatArray(), absmax.toFloatArray(), 0f);
        assertArrayEquals(expectedCodes.toByteArray(), codes.toByteArray(), values + " in blocks of " + blockSize);
    }

    @ParameterizedTest
    @CsvSource({"NaN", "Infinity", "-Infinity"})
    void whatIsNotFiniteIsRefused(float wrong) {
        for (DType dtype : TYPES) {
            float[] array = new float[200];
            array[131] = wrong;
            Tensor values = Tensors.of(array, 2, 100).to(dtype).to(device());
            Tensor codes = Tensors.zeros(DType.UINT8, device(), 200);
            Tensor absmax = Tensors.zeros(DType.FLOAT32, device(), 4);
            assertThrows(
                    UserErrorException.class, () -> kernels.quantize(values, CodeBook.NF4, 64, true, codes, absmax));
            assertThrows(
                    UserErrorException.class,
                    () -> kernels.quantizeRows(values, codes.viewAs(DType.INT8).view(2, 100), absmax.narrow(0, 0, 2)));
        }
    }

    // ---- dequantising ----

    static Stream<String> goldens() {
        try (SafetensorsFile file = SafetensorsFile.open(GOLDENS.resolve("fourbit.safetensors"))) {
            return file.names().stream()
                    .filter(name -> name.endsWith(".packed"))
                    .map(name -> name.substring(0, name.length() - ".packed".length()))
                    .sorted();
        }
    }

    /** Both ways, with bitsandbytes' own bytes. */
    @ParameterizedTest
    @MethodSource("goldens")
    void fourBitGoldens(String name) {
        String[] parts = name.split("\\.");
        CodeBook book = parts[1].equals("nf4") ? CodeBook.NF4 : CodeBook.FP4;
        int blockSize = Integer.parseInt(parts[2].substring(1));
        try (SafetensorsFile file = SafetensorsFile.open(GOLDENS.resolve("fourbit.safetensors"))) {
            Tensor weight = file.tensor(parts[0] + ".weight").to(device());
            Tensor packed = Tensors.zeros(DType.UINT8, device(), (weight.numel() + 1) / 2);
            Tensor absmax = Tensors.zeros(DType.FLOAT32, device(), (weight.numel() + blockSize - 1) / blockSize);
            kernels.quantize(weight.contiguous(), book, blockSize, true, packed, absmax);
            assertArrayEquals(file.tensor(name + ".packed").toByteArray(), packed.toByteArray());
            Tensor destination = Tensors.zeros(DType.FLOAT32, device(), weight.shape());
            if (name.endsWith(".nested")) {
                kernels.dequantizeFourBit(
                        packed,
                        file.tensor(name + ".absmax").to(device()),
                        file.tensor(name + ".nested_absmax").to(device()),
                        (float) file.tensor(name + ".offset").item(),
                        book,
                        blockSize,
                        destination);
            } else {
                kernels.dequantizeFourBit(packed, absmax, book, blockSize, destination);
            }
            Tensor expected = file.tensor(name + ".dequant");
            float[] wanted = expected.toFloatArray();
            float[] found = destination.to(expected.dtype()).toFloatArray();
            for (int i = 0; i < wanted.length; i++) {
                assertTrue(Math.abs(wanted[i] - found[i]) <= 1e-6f * Math.abs(wanted[i]), name + " value " + i);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
    void fourBitWeightsAreDequantisedAsByTheTwin(DType dtype) {
        for (QuantizationType type : List.of(QuantizationType.NF4, QuantizationType.FP4)) {
            for (int[] size : new int[][] {{64, 16448}, {64, 16387}, {32, 7}, {256, 5000}}) {
                for (boolean nested : List.of(false, true)) {
                    Tensor source = values(size[1], DType.FLOAT32);
                    try (FourBitWeight weight = FourBitWeight.quantize(source, type, size[0], nested)) {
                        assertDequantizesAsTwin(weight, dtype, 0);
                        assertDequantizesAsTwin(weight, dtype, 1);
                    }
                }
            }
        }
    }

    /** @param offset of the destination in values: an odd address leaves no room for writing several at once */
    private void assertDequantizesAsTwin(FourBitWeight weight, DType dtype, long offset) {
        CodeBook book = weight.type() == QuantizationType.NF4 ? CodeBook.NF4 : CodeBook.FP4;
        Tensor expected = weight.decompress(DType.FLOAT32).to(dtype);
        long count = expected.numel();
        Tensor room = Tensors.full(-7, dtype, device(), count + 2);
        Tensor destination = room.narrow(0, offset, count);
        Tensor packed = weight.packed().to(device());
        if (weight.scales() instanceof Scales.Nested scales) {
            kernels.dequantizeFourBit(
                    packed,
                    scales.codes().to(device()),
                    scales.nestedAbsmax().to(device()),
                    scales.offset(),
                    book,
                    weight.blockSize(),
                    destination);
        } else {
            Tensor absmax = weight.scales().absmax().to(device());
            kernels.dequantizeFourBit(packed, absmax, book, weight.blockSize(), destination);
        }
        assertArrayEquals(expected.toFloatArray(), destination.toFloatArray(), 0f);
        for (long outside = 0; outside < count + 2; outside++) {
            if (outside < offset || outside >= offset + count) {
                assertEquals(-7, room.narrow(0, outside, 1).item(), "nothing is written beside the destination");
            }
        }
    }

    @Test
    void blockSizesThatAKernelCannotTakeAreRefused() {
        Tensor packed = Tensors.zeros(DType.UINT8, device(), 48);
        Tensor absmax = Tensors.ones(DType.FLOAT32, device(), 1);
        Tensor destination = Tensors.zeros(DType.FLOAT32, device(), 96);
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> kernels.dequantizeFourBit(packed, absmax, CodeBook.NF4, 96, destination));
        assertTrue(e.getMessage().contains("96"), e.getMessage());
    }

    @Test
    void eightBitBlocksAreDequantisedAsByTheTwin() {
        for (CodeBook book : List.of(CodeBook.DYNAMIC_SIGNED, CodeBook.DYNAMIC_UNSIGNED)) {
            Tensor source = values(3000, DType.FLOAT32);
            Tensor codes = Tensors.zeros(DType.UINT8, Device.CPU, 3000);
            Tensor absmax = Tensors.zeros(DType.FLOAT32, Device.CPU, 12);
            new BlockQuantizer(book, 256, false).quantize(source, codes, absmax);
            Tensor expected = Tensors.zeros(DType.FLOAT32, Device.CPU, 3000);
            EightBitKernels.dequantize(codes, absmax, book, 256, expected);
            for (DType dtype : TYPES) {
                Tensor destination = Tensors.full(-7, dtype, device(), 3000);
                kernels.dequantizeEightBit(codes.to(device()), absmax.to(device()), book, 256, destination);
                assertArrayEquals(expected.to(dtype).toFloatArray(), destination.toFloatArray(), 0f);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"3, 300", "1, 1", "5, 256", "2, 1000"})
    void rowsAreThoseOfTheTwin(int rows, int columns) {
        for (DType dtype : TYPES) {
            Tensor matrix = values(rows * columns, dtype).view(rows, columns);
            Tensor expectedCodes = Tensors.zeros(DType.INT8, Device.CPU, rows, columns);
            Tensor expectedAbsmax = Tensors.zeros(DType.FLOAT32, Device.CPU, rows);
            EightBitKernels.quantizeRows(matrix, expectedCodes, expectedAbsmax);
            Tensor codes = Tensors.full(99, DType.INT8, device(), rows, columns);
            Tensor absmax = Tensors.full(-1, DType.FLOAT32, device(), rows);
            kernels.quantizeRows(matrix.to(device()), codes, absmax);
            assertArrayEquals(expectedAbsmax.toFloatArray(), absmax.toFloatArray(), 0f);
            assertArrayEquals(expectedCodes.toLongArray(), codes.toLongArray());
            Tensor expected = Tensors.zeros(DType.FLOAT32, Device.CPU, rows, columns);
            EightBitKernels.dequantizeRows(expectedCodes, expectedAbsmax, expected);
            Tensor destination = Tensors.full(-7, dtype, device(), rows, columns);
            kernels.dequantizeRows(codes, absmax, destination);
            assertArrayEquals(expected.to(dtype).toFloatArray(), destination.toFloatArray(), 0f);
        }
    }

    // ---- AdamW ----

    @ParameterizedTest
    @CsvSource({"4096", "4100", "300"})
    void stepsOfAdamAreThoseOfTheTwin(int count) {
        long blocks = (count + 255) / 256;
        AdamKernel.Settings settings = new AdamKernel.Settings(0.9f, 0.999f, 1e-8f);
        Tensor expected = values(count, DType.FLOAT32);
        Tensor value = expected.copy().to(device());
        List<Tensor> twin = moments(Device.CPU, count, blocks);
        List<Tensor> states = moments(device(), count, blocks);
        for (int step = 1; step <= 4; step++) {
            Tensor gradient = values(count, DType.FLOAT32);
            AdamKernel.step(
                    expected, gradient, twin.get(0), twin.get(1), twin.get(2), twin.get(3), settings, step, 1e-2, 0.1);
            kernels.adamStep(
                    value,
                    gradient.to(device()),
                    states.get(0),
                    states.get(1),
                    states.get(2),
                    states.get(3),
                    AdamKernel.Update.of(settings, step, 1e-2, 0.1));
            assertArrayEquals(expected.toFloatArray(), value.toFloatArray(), 0f, "values of step " + step);
            for (int i = 0; i < twin.size(); i++) {
                assertArrayEquals(twin.get(i).toFloatArray(), states.get(i).toFloatArray(), 0f, "state " + i);
            }
        }
    }

    private static List<Tensor> moments(Device device, int count, long blocks) {
        return List.of(
                Tensors.zeros(DType.UINT8, device, count),
                Tensors.zeros(DType.UINT8, device, count),
                Tensors.zeros(DType.FLOAT32, device, blocks),
                Tensors.zeros(DType.FLOAT32, device, blocks));
    }

    private int seed;

    /** Normal numbers, with blocks of zeros, outliers and numbers so small that their reciprocal is infinite. */
    private Tensor values(int count, DType dtype) {
        Random random = new Random(++seed);
        float[] array = new float[count];
        for (int i = 0; i < count; i++) {
            int kind = i / 128 % 8;
            float value = (float) random.nextGaussian();
            array[i] = switch (kind) {
                case 3 -> 0f;
                case 5 -> value * 1e-41f;
                case 6 -> i % 50 == 0 ? value * 1e4f : value * 1e-3f;
                default -> value * 0.05f;
            };
        }
        return Tensors.of(array, count).to(dtype);
    }
}
