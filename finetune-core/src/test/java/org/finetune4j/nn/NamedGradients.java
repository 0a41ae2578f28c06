package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;

/** Gradients by the names of their parameters, compared so that none can be missing on one side. */
public final class NamedGradients {

    private NamedGradients() {}

    /** The gradients of those parameters that have one. */
    public static Map<String, float[]> of(Map<String, Parameter> parameters) {
        Map<String, float[]> gradients = new TreeMap<>();
        try (TensorScope scope = TensorScope.open()) {
            parameters.forEach((name, parameter) -> {
                if (parameter.grad() != null) {
                    gradients.put(
                            name,
                            parameter.grad().to(DType.FLOAT32).contiguous().toFloatArray());
                }
            });
        }
        return gradients;
    }

    /** Both have the same names, at least one, and numbers that differ by no more than the tolerance, of numbers above 1 by its share. */
    public static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual, float tolerance) {
        assertFalse(expected.isEmpty(), "there are no gradients");
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, gradient) ->
                assertArrayEquals(gradient, actual.get(name), tolerance * Math.max(1, largest(gradient)), name));
    }

    private static float largest(float[] gradient) {
        float largest = 0;
        for (float number : gradient) {
            largest = Math.max(largest, Math.abs(number));
        }
        return largest;
    }
}
