package org.finetune4j.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Compares a gradient with a central difference along a random direction, which every element takes part in. */
public final class DirectionalDerivative {

    private static final double STEP = 1e-5;

    private DirectionalDerivative() {}

    /**
     * Fails unless the gradient that a parameter holds is the derivative.
     *
     * @param parameter in float64; its value is moved and put back
     * @param loss recomputes the loss
     */
    public static void assertIsGradient(Parameter parameter, DoubleSupplier loss) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor value = parameter.value().detach();
            assertEquals(DType.FLOAT64, value.dtype(), parameter.name());
            Tensor original = value.copy();
            Tensor direction = direction(value.numel()).view(value.shape()).to(value.device());
            Tensor gradient = parameter.grad();
            double actual = gradient == null ? 0 : gradient.mul(direction).sum().item();
            double expected = difference(value, original, direction, STEP, loss);
            if (Math.abs(expected - actual) > tolerance(expected)) {
                // Where the loss bends much and the derivative is small, the third derivative shows: Richardson's step
                // removes it.
                expected = (4 * difference(value, original, direction, STEP / 2, loss) - expected) / 3;
            }
            value.copyInPlace(original);
            assertEquals(
                    expected,
                    actual,
                    tolerance(expected),
                    () -> parameter.name() + " "
                            + Arrays.toString(parameter.value().shape()));
        }
    }

    private static double tolerance(double expected) {
        return 1e-8 + 1e-5 * Math.abs(expected);
    }

    /** The central difference with a step. */
    private static double difference(
            Tensor value, Tensor original, Tensor direction, double step, DoubleSupplier loss) {
        double up = lossAt(value, original, direction, step, loss);
        double down = lossAt(value, original, direction, -step, loss);
        return (up - down) / (2 * step);
    }

    private static double lossAt(Tensor value, Tensor original, Tensor direction, double step, DoubleSupplier loss) {
        value.copyInPlace(original.addScaled(direction, step));
        return loss.getAsDouble();
    }

    private static Tensor direction(long elements) {
        Random random = new Random(elements);
        double[] values = new double[Math.toIntExact(elements)];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextGaussian();
        }
        return Tensors.of(values, values.length);
    }
}
