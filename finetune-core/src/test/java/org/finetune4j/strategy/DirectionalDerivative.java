package org.finetune4j.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Compares gradients with central differences along random directions, which every element takes part in. */
public final class DirectionalDerivative {

    private static final double STEP = 1e-5;

    /** How many times larger than the smallest one of its group a gradient may be. */
    private static final double SPREAD = 10;

    /** One parameter that is moved, and which way. */
    private record Moved(Parameter parameter, Tensor value, Tensor original, Tensor direction) {

        static Moved of(Parameter parameter, Random random) {
            Tensor value = parameter.value().detach();
            assertEquals(DType.FLOAT64, value.dtype(), parameter.name());
            return new Moved(parameter, value, value.copy(), randomLike(value, random));
        }

        void move(double step) {
            value.copyInPlace(original.addScaled(direction, step));
        }

        double slope() {
            Tensor gradient = parameter.grad();
            return gradient == null ? 0 : gradient.mul(direction).sum().item();
        }
    }

    private DirectionalDerivative() {}

    /**
     * Fails unless the gradient that a parameter holds is the derivative.
     *
     * @param parameter in float64; its value is moved and put back
     * @param loss recomputes the loss
     */
    public static void assertIsGradient(Parameter parameter, DoubleSupplier loss) {
        assertGroup(List.of(parameter), loss);
    }

    /**
     * Fails unless the gradients that parameters hold are the derivatives. Parameters move together as long as their gradients are of
     * one size: so few losses are computed, and a small gradient that is wrong is not lost in the rounding of large ones.
     *
     * @param parameters in float64; their values are moved and put back
     * @param loss recomputes the loss
     */
    public static void assertAreGradients(Collection<Parameter> parameters, DoubleSupplier loss) {
        List<Parameter> bySize = parameters.stream()
                .sorted(Comparator.comparingDouble(DirectionalDerivative::norm))
                .toList();
        int start = 0;
        for (int end = 1; end <= bySize.size(); end++) {
            if (end == bySize.size() || norm(bySize.get(end)) > SPREAD * norm(bySize.get(start))) {
                assertGroup(bySize.subList(start, end), loss);
                start = end;
            }
        }
    }

    private static void assertGroup(List<Parameter> parameters, DoubleSupplier loss) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Random random = new Random(parameters.size());
            List<Moved> group = new ArrayList<>();
            parameters.forEach(parameter -> group.add(Moved.of(parameter, random)));
            double actual = group.stream().mapToDouble(Moved::slope).sum();
            double expected = difference(group, STEP, loss);
            if (Math.abs(expected - actual) > tolerance(expected)) {
                // Where the loss bends much and the derivative is small, the third derivative shows: Richardson's step
                // removes it.
                expected = (4 * difference(group, STEP / 2, loss) - expected) / 3;
            }
            group.forEach(moved -> moved.move(0));
            if (parameters.size() > 1 && Math.abs(expected - actual) > tolerance(expected)) {
                parameters.forEach(parameter -> assertIsGradient(parameter, loss)); // to name the one that is wrong
            }
            assertEquals(expected, actual, tolerance(expected), () -> parameters.toString());
        }
    }

    private static double tolerance(double expected) {
        return 1e-8 + 1e-5 * Math.abs(expected);
    }

    /** The central difference with a step. */
    private static double difference(List<Moved> group, double step, DoubleSupplier loss) {
        group.forEach(moved -> moved.move(step));
        double up = loss.getAsDouble();
        group.forEach(moved -> moved.move(-step));
        return (up - loss.getAsDouble()) / (2 * step);
    }

    private static double norm(Parameter parameter) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor gradient = parameter.grad();
            return gradient == null ? 0 : Math.sqrt(gradient.square().sum().item());
        }
    }

    private static Tensor randomLike(Tensor value, Random random) {
        double[] values = random.doubles(value.numel(), -1, 1).toArray();
        return Tensors.of(values, values.length).view(value.shape()).to(value.device());
    }
}
