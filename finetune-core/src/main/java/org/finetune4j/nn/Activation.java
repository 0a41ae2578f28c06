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
    SILU(Functional::silu, "silu", "swish"),
    GELU(x -> Functional.gelu(x, false), "gelu", "gelu_python"),
    GELU_TANH(
            x -> Functional.gelu(x, true),
            "gelu_new",
            "gelu_pytorch_tanh",
            "gelu_fast",
            "gelu_accurate",
            "gelu_python_tanh"),
    /** {@code x * sigmoid(1.702 x)} (Hendrycks and Gimpel 2016). */
    QUICK_GELU(x -> x.mul(x.mul(1.702).sigmoid()), "quick_gelu"),
    RELU(Functional::relu, "relu"),
    /** The square of relu (So et al. 2021). */
    RELU_SQUARED(x -> Functional.relu(x).square(), "relu2"),
    SIGMOID(Tensor::sigmoid, "sigmoid"),
    TANH(Tensor::tanh, "tanh");

    private final UnaryOperator<Tensor> function;
    private final List<String> names;

    Activation(UnaryOperator<Tensor> function, String... names) {
        this.function = function;
        this.names = List.of(names);
    }

    /**
     * The activation of this name.
     *
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

    /** Applies it to every element. */
    public Tensor apply(Tensor x) {
        return function.apply(x);
    }
}
