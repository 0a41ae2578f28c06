package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Conversions to half precision go to the nearest value, and from the middle to the one with an even last bit. */
class ConversionTest {

    @ParameterizedTest
    @CsvSource({
        // 1 + 2^-8 is in the middle between 1 and 1 + 2^-7; 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6.
        "bfloat16, 1.00390625, 1.0",
        "bfloat16, 1.01171875, 1.015625",
        "bfloat16, 1.00390637, 1.0078125",
        "bfloat16, -1.00390625, -1.0",
        // The same with 2^-11 for float16.
        "float16, 1.00048828125, 1.0",
        "float16, 1.00146484375, 1.001953125",
        "float16, 1.0004884, 1.0009765625",
        "float16, 65519.996, 65504.0",
        "float16, 65520.0, Infinity",
        "float16, 2.9802322e-8, 0.0"
    })
    void ties(String dtype, float value, float expected) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor converted = Tensors.of(new float[] {value}, 1).to(DType.parse(dtype));
            assertEquals(expected, converted.to(DType.FLOAT32).toFloatArray()[0]);
        }
    }

    @Property(tries = 500)
    void bfloat16IsTheNearestEvenOf(@ForAll float value) {
        int bits = Float.floatToRawIntBits(value);
        int rounded = (bits + 0x7FFF + ((bits >>> 16) & 1)) & 0xFFFF0000;
        try (TensorScope scope = TensorScope.open()) {
            float actual = Tensors.of(new float[] {value}, 1)
                    .to(DType.BFLOAT16)
                    .to(DType.FLOAT32)
                    .toFloatArray()[0];
            assertEquals(Float.intBitsToFloat(rounded), actual);
        }
    }
}
