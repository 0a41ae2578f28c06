package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.Function;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What holds for the values of a parameter in whatever form. A subclass says in a static method {@code forms()} which. */
public abstract class ParameterValueContract {

    private static final long[] SHAPE = {24, 128};

    /**
     * A form.
     *
     * @param name of it
     * @param dtype that its numbers are stored in
     * @param error of a number at most, in parts of the largest
     * @param of makes it of a tensor
     */
    public record Form(String name, DType dtype, double error, Function<Tensor, ParameterValue> of) {

        @Override
        public String toString() {
            return name + " of " + dtype;
        }
    }

    private static Tensor numbers(DType dtype) {
        try (RandomGenerator.Use use = RandomGenerator.of(11).use()) {
            return Tensors.randn(DType.FLOAT32, Device.CPU, SHAPE).to(dtype);
        }
    }

    private static void assertNear(Tensor expected, Tensor found, double error) {
        assertArrayEquals(expected.shape(), found.shape());
        Tensor exact = expected.to(DType.FLOAT64);
        double limit = error * exact.abs().max().item();
        double difference = exact.sub(found.to(DType.FLOAT64)).abs().max().item();
        assertTrue(difference <= limit, difference + " of at most " + limit);
    }

    @ParameterizedTest
    @MethodSource("forms")
    void itSaysWhatTheWholeIs(Form form) {
        try (TensorScope scope = TensorScope.open();
                ParameterValue value = form.of.apply(numbers(form.dtype))) {
            assertArrayEquals(SHAPE, value.shape());
            assertEquals(form.dtype, value.dtype());
            assertEquals(Device.CPU, value.device());
            long dense = SHAPE[0] * SHAPE[1] * form.dtype.itemSize();
            assertTrue(value.bytes() > 0 && value.bytes() <= dense, value.bytes() + " bytes");
            assertFalse(value.isTrainable());
        }
    }

    @ParameterizedTest
    @MethodSource("forms")
    void theNumbersAreTheSameInAMemoryOfTheirOwnAndInOneThatIsGiven(Form form) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor numbers = numbers(form.dtype);
            try (ParameterValue value = form.of.apply(numbers.copy())) {
                for (DType dtype : new DType[] {DType.FLOAT32, DType.BFLOAT16}) {
                    Tensor own = value.as(dtype);
                    assertEquals(dtype, own.dtype());
                    assertNear(numbers, own, form.error + (dtype == DType.FLOAT32 ? 0 : 1e-2));
                    Tensor given = Tensors.full(7, dtype, Device.CPU, SHAPE);
                    value.into(given);
                    assertArrayEquals(
                            own.to(DType.FLOAT32).toFloatArray(),
                            given.to(DType.FLOAT32).toFloatArray());
                }
                assertTrue(value.part().isWhole());
                assertEquals(0, value.part().offset());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("forms")
    void aChangeIsMadeInFloat32AtLeastAndKeepsTheForm(Form form) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor numbers = numbers(form.dtype);
            try (ParameterValue value = form.of.apply(numbers.copy());
                    ParameterValue changed = value.changed(
                            exact -> {
                                assertEquals(DType.FLOAT32, exact.dtype());
                                return exact.mulInPlace(-2);
                            },
                            Tensor::to)) {
                assertEquals(value.getClass(), changed.getClass());
                assertNear(numbers.mul(-2), changed.as(DType.FLOAT32), form.error + 1e-6);
                assertNear(numbers, value.as(DType.FLOAT32), form.error);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("forms")
    void whatCanTrainIsAMemoryOfItsOwnAndTheRestSaysSo(Form form) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor numbers = numbers(form.dtype);
            try (ParameterValue value = form.of.apply(numbers.copy())) {
                if (value.compressed() != null) {
                    String message = assertThrows(UserErrorException.class, () -> value.train("w", DType.FLOAT32))
                            .getMessage();
                    assertTrue(message.startsWith("'w' is quantised"), message);
                    assertThrows(IllegalStateException.class, value::local);
                    return;
                }
                value.train("w", DType.FLOAT32);
                assertTrue(value.isTrainable());
                assertEquals(DType.FLOAT32, value.local().dtype());
                value.set(numbers.mul(3));
                assertNear(numbers.mul(3), value.as(DType.FLOAT32), 1e-2);
                value.clearGrad();
                assertEquals(null, value.grad());
                value.freeze();
                assertFalse(value.isTrainable());
                assertNotNull(value.toString());
            }
        }
    }
}
