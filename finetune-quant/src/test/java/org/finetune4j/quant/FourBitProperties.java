package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** What holds for any weight: every number becomes the nearest one that its block has. */
class FourBitProperties {

    @Property(tries = 60)
    void everyNumberBecomesTheNearestOfItsBlock(
            @ForAll("fourBitTypes") QuantizationType type,
            @ForAll @IntRange(min = 1, max = 9) int rows,
            @ForAll @IntRange(min = 1, max = 150) int columns,
            @ForAll Kind kind,
            @ForAll long seed) {
        float[] values = kind.values(rows * columns, seed);
        try (TensorScope scope = TensorScope.open();
                FourBitWeight weight = FourBitWeight.quantize(Tensors.of(values, rows, columns), type, 64, false)) {
            assertArrayEquals(new long[] {rows, columns}, weight.shape());
            float[] back = weight.decompress(DType.FLOAT32).toFloatArray();
            float[] scales = weight.scales().absmax().toFloatArray();
            for (int i = 0; i < values.length; i++) {
                float scale = scales[i / 64];
                assertTrue(Math.abs(back[i]) <= scale);
                double nearest = Double.MAX_VALUE;
                for (float code : type.codeBook().values()) {
                    nearest = Math.min(nearest, Math.abs(values[i] - (double) code * scale));
                }
                double error = Math.abs(values[i] - (double) back[i]);
                // The reciprocal of a denormal scale is not exact; otherwise only rounding stands in between.
                assertTrue(error <= nearest + 2e-6 * scale + 1e-37, i + ": " + values[i] + " became " + back[i]);
            }
        }
    }

    @Provide
    Arbitrary<QuantizationType> fourBitTypes() {
        return Arbitraries.of(QuantizationType.class).filter(QuantizationType::isFourBit);
    }

    /** Kinds of weights that go wrong easily. */
    enum Kind {
        NORMAL,
        ZEROS,
        OUTLIER,
        DENORMAL,
        HUGE;

        float[] values(int count, long seed) {
            SplittableRandom random = new SplittableRandom(seed);
            float[] values = new float[count];
            for (int i = 0; i < count; i++) {
                double normal = random.nextDouble() * 2 - 1;
                values[i] = switch (this) {
                    case NORMAL -> (float) (normal * 0.05);
                    case ZEROS -> i % 128 < 64 ? 0 : (float) normal;
                    case OUTLIER -> (float) (i % 50 == 3 ? normal * 1e6 : normal * 1e-3);
                    case DENORMAL -> (float) (normal * 1e-41);
                    case HUGE -> (float) (normal * 3e38);
                };
            }
            return values;
        }
    }

    @Property(tries = 30)
    void theNearestCodeIsTheNearest(@ForAll @IntRange(min = -1000000, max = 1000000) int millionths) {
        float x = millionths / 1e6f;
        for (CodeBook book : new CodeBook[] {CodeBook.NF4, CodeBook.FP4, CodeBook.DYNAMIC_SIGNED}) {
            float found = Math.abs(x - book.value(book.nearest(x)));
            for (float value : book.values()) {
                assertTrue(found <= Math.abs(x - value) + 1e-7f);
            }
        }
    }

    @Example
    void valuesThatAreNoNumbersAreRefused() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor weight = Tensors.of(new float[] {1, 2, bad, 4}, 2, 2);
                assertThrows(
                        UserErrorException.class,
                        () -> FourBitWeight.quantize(weight, QuantizationType.NF4, 64, false));
                assertThrows(UserErrorException.class, () -> EightBitWeight.quantize(weight));
            }
        }
    }

    @Example
    void aLargeWeightIsQuantisedInPiecesAndTakesHalfAByteAWeight() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor part = Tensors.randn(DType.FLOAT32, Device.CPU, 64, 1024);
            Tensor weight = part.expand(72, 64, 1024).reshape(72 * 64, 1024);
            long count = weight.numel();
            assertTrue(count > 1 << 22, "more than one piece");
            try (FourBitWeight plain = FourBitWeight.quantize(weight, QuantizationType.NF4, 64, false);
                    FourBitWeight nested = FourBitWeight.quantize(weight, QuantizationType.NF4, 64, true);
                    FourBitWeight once = FourBitWeight.quantize(part, QuantizationType.NF4, 64, false)) {
                assertEquals(0.5625, (double) plain.bytes() / count, 1e-9);
                assertEquals(0.5 + 1.0 / 64 + 4.0 / (64 * 256), (double) nested.bytes() / count, 1e-9);
                assertEquals(0.5158, (double) nested.bytes() / count, 1e-4);
                Tensor expected =
                        once.decompress(DType.FLOAT32).expand(72, 64, 1024).reshape(72 * 64, 1024);
                Tensor actual = plain.decompress(DType.FLOAT32);
                assertEquals(0, actual.sub(expected).abs().max().item());
                Tensor x = Tensors.randn(DType.FLOAT32, Device.CPU, 2, 1024);
                Tensor wanted = x.matmul(actual.t());
                assertTrue(plain.multiply(x).sub(wanted).abs().max().item() < 1e-3);
            }
        }
    }
}
