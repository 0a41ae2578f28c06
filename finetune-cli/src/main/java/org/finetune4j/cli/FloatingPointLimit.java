package org.finetune4j.cli;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * How fast a step can be at most: what libtorch's own matrix products reach on matrices of the model's shapes, in float32 on
 * the CPU, and how many operations a token takes.
 */
final class FloatingPointLimit {

    private static final int ROUNDS = 3;

    private FloatingPointLimit() {}

    /**
     * Operations that one token of a checkpointed step with a frozen base takes. Each number of a layer's weight is multiplied
     * and added three times: forwards, when the layer is computed again, and for the gradient of its input. The output layer is
     * not computed again. Each number of an adapter has a gradient as well. Attention looks at half of the sequence on average,
     * with scores and values, forwards twice and backwards for twice the work.
     *
     * @param layers numbers in the matrices of all layers
     * @param head numbers in the output layer's matrix
     * @param adapter numbers that train
     * @param attention numbers of keys and values that a token's queries meet in all layers
     */
    record Work(long layers, long head, long adapter, long attention) {

        static Work of(DecoderModel network, Collection<Parameter> trainable, int sequenceLength) {
            long width = network.outputLayer().inFeatures();
            return new Work(
                    network.layers().stream()
                            .flatMap(layer -> matrices(layer).stream())
                            .mapToLong(Parameter::numel)
                            .sum(),
                    network.outputLayer().weight().numel(),
                    trainable.stream().mapToLong(Parameter::numel).sum(),
                    network.layers().size() * width * sequenceLength);
        }

        /** Floating-point operations a token, a multiplication and an addition being two. */
        long perToken() {
            return 2 * (3 * layers + 2 * head + 4 * adapter + 4 * attention);
        }
    }

    private static List<Parameter> matrices(Module module) {
        return module.namedParameters().values().stream()
                .filter(parameter -> parameter.shape().length == 2)
                .toList();
    }

    /**
     * Measures the products {@code x W} and {@code x W^T} of one layer's matrices, in the proportions in which the layer has
     * them.
     *
     * @param rows tokens of a batch
     * @return floating-point operations a second
     */
    static double measure(DecoderModel network, int rows) {
        DecoderLayer layer = network.layers().get(0);
        Map<List<Long>, Integer> shapes = new LinkedHashMap<>();
        for (Parameter matrix : matrices(layer)) {
            shapes.merge(List.of(matrix.size(0), matrix.size(1)), 1, Integer::sum);
        }
        double seconds = 0;
        double operations = 0;
        for (Map.Entry<List<Long>, Integer> shape : shapes.entrySet()) {
            long out = shape.getKey().get(0);
            long in = shape.getKey().get(1);
            int count = shape.getValue();
            seconds += count * bestSeconds(rows, out, in);
            operations += count * 4.0 * rows * out * in;
        }
        return operations / seconds;
    }

    /** The time of one product with the matrix and one with its transpose. */
    private static double bestSeconds(int rows, long out, long in) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor weight = Tensors.full(0.01, DType.FLOAT32, Device.CPU, out, in);
            Tensor x = Tensors.full(0.5, DType.FLOAT32, Device.CPU, rows, in);
            Tensor gradient = Tensors.full(0.5, DType.FLOAT32, Device.CPU, rows, out);
            return best(x, weight.t()) + best(gradient, weight);
        }
    }

    private static double best(Tensor left, Tensor right) {
        double best = Double.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            try (TensorScope scope = TensorScope.open()) {
                long start = System.nanoTime();
                left.mm(right);
                best = Math.min(best, (System.nanoTime() - start) / 1e9);
            }
        }
        return best;
    }
}
