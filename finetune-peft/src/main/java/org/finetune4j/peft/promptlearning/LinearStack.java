package org.finetune4j.peft.promptlearning;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** Linear layers with an activation between each two, started and named as PyTorch does with a {@code Sequential}. */
final class LinearStack {

    private record Layer(Parameter weight, Parameter bias) {}

    private final List<Layer> layers = new ArrayList<>();
    private final UnaryOperator<Tensor> activation;

    /** @param sizes of the input, of what is between two layers, and of the output */
    LinearStack(EncoderParameters parameters, String name, UnaryOperator<Tensor> activation, long... sizes) {
        this.activation = activation;
        for (int i = 0; i + 1 < sizes.length; i++) {
            // Activations are members of the Sequential too, so layers have even numbers.
            String layer = name + "." + 2 * i;
            double bound = 1 / Math.sqrt((double) sizes[i]);
            layers.add(new Layer(
                    parameters.addUniform(layer + ".weight", bound, sizes[i + 1], sizes[i]),
                    parameters.addUniform(layer + ".bias", bound, sizes[i + 1])));
        }
    }

    /** [..., in] to [..., out]. */
    Tensor forward(Tensor x) {
        Tensor hidden = x;
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            Tensor out = Functional.linear(
                    hidden, layer.weight().value(), layer.bias().value());
            hidden = i + 1 < layers.size() ? activation.apply(out) : out;
        }
        return hidden;
    }

    /** Lets the output be zero. */
    void zeroLast() {
        Layer last = layers.get(layers.size() - 1);
        last.weight().value().detach().zeroInPlace();
        last.bias().value().detach().zeroInPlace();
    }
}
