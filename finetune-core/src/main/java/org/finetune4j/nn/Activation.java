package org.finetune4j.nn;

import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** The non-linearities that {@code hidden_act} in a {@code config.json} can name. */
public enum Activation {
    /** {@code x * sigmoid(x)}. */
    SILU(Functional::silu, "silu", "swish"),
    /** Gaussian error linear unit, exact. */
    GELU(x -> Functional.gelu(x, false), "gelu", "gelu_python"),
    /** Gaussian error linear unit, approximated with a hyperbolic tangent. */
    GELU_TANH(
            x -> Functional.gelu(x, true),
            "gelu_new",
            "gelu_pytorch_tanh",
            "gelu_fast",
            "gelu_accurate",
            "gelu_python_tanh"),
    /** {@code x * sigmoid(1.702 x)} (Hendrycks and Gimpel 2016). */
    QUICK_GELU(x -> x.mul(x.mul(1.702).sigmoid()), "quick_gelu"),
    /** {@code max(x, 0)}. */
    RELU(Functional::relu, "relu"),
    /** The square of relu (So et al. 2021). */
    RELU_SQUARED(x -> Functional.relu(x).square(), "relu2"),
    /** {@code 1 / (1 + exp(-x))}. */
    SIGMOID(Tensor::sigmoid, "sigmoid"),
    /** Hyperbolic tangent. */
    TANH(Tensor::tanh, "tanh");

    private final UnaryOperator<Tensor> function;
    private final List<String> names;

    Activation(UnaryOperator<Tensor> function, String... names) {
        this.function = function;
        this.names = List.of(names);
    }

    /**
     * {@return the activation of this name}
     *
     * @param name as in config.json
     * @throws UserErrorException when it is not implemented
     */
    public static Activation named(String name) {
        return Arrays.stream(values())
                .filter(activation -> activation.names.contains(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("activation '" + name + "' is not implemented"
                        + Suggestions.didYouMean(
                                name,
                                Arrays.stream(values())
                                        .flatMap(activation -> activation.names.stream())
                                        .toList())));
    }

    /**
     * Applies it to every element.
     *
     * @param x of any shape
     * @return of the same shape
     */
    public Tensor apply(Tensor x) {
        return function.apply(x);
    }
}
