package org.finetune4j.dist.zero;

import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.health.TrainingStatistics.Size;

/** How large the gradients of all parameters are, of which ranks have parts and copies. */
final class GradientSizes {

    private final List<Parameter> parameters;
    private final IdentityHashMap<Parameter, Integer> numbers = new IdentityHashMap<>();
    private final double[] squares;

    /** The largest absolute value of each, or below 0 where there is no gradient. */
    private final double[] largest;

    /** @param parameters the same ones, in the same order, on all ranks */
    GradientSizes(Collection<Parameter> parameters) {
        this.parameters = List.copyOf(parameters);
        this.squares = new double[this.parameters.size()];
        this.largest = new double[this.parameters.size()];
        for (int i = 0; i < largest.length; i++) {
            numbers.put(this.parameters.get(i), i);
            largest[i] = -1;
        }
    }

    /** @param copies how many ranks have this very part */
    void add(Parameter parameter, Tensor gradient, double copies) {
        Integer number = numbers.get(parameter);
        if (number == null || gradient.numel() == 0) {
            return;
        }
        try (TensorScope scope = TensorScope.open()) {
            Size own = Size.of(gradient);
            squares[number] += own.rootMeanSquare() * own.rootMeanSquare() * gradient.numel() / copies;
            largest[number] = own.largest();
        }
    }

    /** By name, when all ranks have added what they have. */
    Map<String, Size> of(GroupMessages world) {
        double[] sums = world.reduced(Reduction.SUM, squares);
        double[] ofAll = world.reduced(Reduction.MAX, largest);
        Map<String, Size> sizes = new LinkedHashMap<>();
        for (int i = 0; i < ofAll.length; i++) {
            if (ofAll[i] >= 0 || Double.isNaN(ofAll[i]) || Double.isNaN(sums[i])) {
                Parameter parameter = parameters.get(i);
                sizes.put(parameter.name(), new Size(Math.sqrt(sums[i] / count(parameter.wholeShape())), ofAll[i]));
            }
        }
        return sizes;
    }

    private static double count(long[] shape) {
        double count = 1;
        for (long length : shape) {
            count *= (double) length;
        }
        return count;
    }
}
