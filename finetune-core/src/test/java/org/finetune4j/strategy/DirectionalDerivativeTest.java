package org.finetune4j.strategy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The check of gradients finds one wrong gradient among many right ones. */
class DirectionalDerivativeTest {

    private static final int COUNT = 24;

    private final TensorScope scope = TensorScope.open();
    private final List<Parameter> parameters = parameters();

    @AfterEach
    void close() {
        parameters.forEach(Parameter::close);
        scope.close();
    }

    @Test
    void rightGradientsPassAndValuesAreAsTheyWere() {
        float[] before = parameters.get(7).value().detach().toFloatArray();
        DirectionalDerivative.assertAreGradients(parameters, this::loss);
        assertArrayEquals(before, parameters.get(7).value().detach().toFloatArray());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 11, COUNT - 1})
    void oneGradientThatIsAThousandthOffIsFoundAndNamed(int wrong) {
        Parameter parameter = parameters.get(wrong);
        parameter.addGradient(Objects.requireNonNull(parameter.grad()).mul(1e-3));
        assertNamed(parameter);
    }

    @Test
    void oneGradientThatIsMissingIsFoundAndNamed() {
        parameters.get(5).clearGrad();
        assertNamed(parameters.get(5));
    }

    @Test
    void gradientsOfTwoParametersThatAreExchangedAreFound() {
        Tensor first = Objects.requireNonNull(parameters.get(2).grad()).copy();
        Tensor second = Objects.requireNonNull(parameters.get(3).grad()).copy();
        parameters.get(2).addGradient(second.sub(first));
        parameters.get(3).addGradient(first.sub(second));
        assertThrows(AssertionError.class, () -> DirectionalDerivative.assertAreGradients(parameters, this::loss));
    }

    private void assertNamed(Parameter parameter) {
        String message = assertThrows(
                        AssertionError.class, () -> DirectionalDerivative.assertAreGradients(parameters, this::loss))
                .getMessage();
        assertTrue(message.contains(parameter.name()), message);
    }

    /** Parameters that hold their gradients, which are of sizes from tenths to tens. */
    private List<Parameter> parameters() {
        Torch.seed(3);
        List<Parameter> made = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            Parameter parameter = new Parameter("p" + i, Tensors.randn(DType.FLOAT64, Device.CPU, 4, 3));
            parameter.train(DType.FLOAT64);
            made.add(parameter);
        }
        try (Autograd.Mode mode = Autograd.enabled()) {
            Autograd.backward(loss(made));
        }
        return made;
    }

    private double loss() {
        return loss(parameters).item();
    }

    private static Tensor loss(List<Parameter> parameters) {
        Tensor sum = Tensors.of(new double[] {0}, 1).sum();
        for (int i = 0; i < COUNT; i++) {
            sum = sum.addScaled(parameters.get(i).value().exp().sum(), Math.pow(10, i % 3 - 1));
        }
        return sum;
    }
}
