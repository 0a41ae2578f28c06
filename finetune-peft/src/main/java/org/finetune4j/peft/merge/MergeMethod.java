package org.finetune4j.peft.merge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.LongFunction;
import java.util.function.ToDoubleBiFunction;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Tensor;

/**
 * How several fine-tunes of one base become one model. Each method looks at a tensor as a whole first, where it has to, and
 * then makes slice after slice.
 */
public enum MergeMethod {
    /** The weighted mean of the weights: a model soup. */
    LINEAR(false, MergeMethod::mean),
    /** The base and the weighted sum of task vectors (Ilharco et al. 2023). */
    TASK_ARITHMETIC(true, (tensor, settings) -> onto(tensor, settings, tensor::taskVectors, WeightedSum::of)),
    /** Trimmed task vectors, and of each value the mean of those that agree in sign (Yadav et al. 2023). */
    TIES(true, (tensor, settings) -> onto(tensor, settings, trimmed(tensor, settings), ties(settings))),
    /** Task vectors with values dropped at random and the others rescaled (Yu et al. 2024), added up. */
    DARE_LINEAR(true, (tensor, settings) -> onto(tensor, settings, dropped(tensor, settings), WeightedSum::of)),
    /** The same, merged by sign. */
    DARE_TIES(true, (tensor, settings) -> onto(tensor, settings, dropped(tensor, settings), ties(settings))),
    /** The weighted sum of trimmed task vectors. */
    MAGNITUDE_PRUNE(true, (tensor, settings) -> onto(tensor, settings, trimmed(tensor, settings), WeightedSum::of)),
    /** The point between two models on the sphere. */
    SLERP(false, MergeMethod::onTheSphere);

    /** Prepares the merging of one tensor. */
    private interface Preparation {
        LongFunction<Tensor> of(Ingredients tensor, MergeSettings settings);
    }

    private interface Sum {
        Tensor of(List<Tensor> taskVectors, double[] weights);
    }

    private final boolean needsBase;
    private final Preparation preparation;

    MergeMethod(boolean needsBase, Preparation preparation) {
        this.needsBase = needsBase;
        this.preparation = preparation;
    }

    /** {@return the name in the command line, such as {@code task_arithmetic}} */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** {@return whether the base of the models must be known} */
    public boolean needsBase() {
        return needsBase;
    }

    /**
     * The method of this name.
     *
     * @param name in small letters
     * @return the method
     * @throws UserErrorException when there is none, with the nearest
     */
    public static MergeMethod parse(String name) {
        List<String> names = Arrays.stream(values()).map(MergeMethod::label).toList();
        if (!names.contains(name)) {
            throw new UserErrorException(
                    "there is no way of merging models called '" + name + "'" + Suggestions.among(name, names));
        }
        return valueOf(name.toUpperCase(Locale.ROOT));
    }

    /**
     * Refuses settings that do not fit.
     *
     * @throws UserErrorException for another number of weights than models, or SLERP of more than two
     */
    void check(int models, MergeSettings settings) {
        if (settings.weights().length != models) {
            throw new UserErrorException(
                    "merging needs one weight for each of " + models + " models, not " + settings.weights().length);
        }
        if (this == SLERP && models != 2) {
            throw new UserErrorException("slerp goes from one model to another: name two, not " + models);
        }
        if (this == LINEAR && !(Arrays.stream(settings.weights()).sum() > 0)) {
            throw new UserErrorException("the weights of a mean must add up to more than 0");
        }
    }

    /** What gives the merged slice that begins at a place of the flattened tensor. */
    LongFunction<Tensor> prepare(Ingredients tensor, MergeSettings settings) {
        return preparation.of(tensor, settings);
    }

    private static LongFunction<Tensor> mean(Ingredients tensor, MergeSettings settings) {
        double total = Arrays.stream(settings.weights()).sum();
        double[] weights =
                Arrays.stream(settings.weights()).map(weight -> weight / total).toArray();
        return begin -> sum(tensor, weights, begin);
    }

    private static Tensor sum(Ingredients tensor, double[] weights, long begin) {
        Tensor sum = tensor.model(0, begin).mul(weights[0]);
        for (int model = 1; model < weights.length; model++) {
            sum.addScaledInPlace(tensor.model(model, begin), weights[model]);
        }
        return sum;
    }

    private static LongFunction<Tensor> onto(
            Ingredients tensor, MergeSettings settings, LongFunction<List<Tensor>> taskVectors, Sum sum) {
        return begin ->
                tensor.base(begin).addScaled(sum.of(taskVectors.apply(begin), settings.weights()), settings.lambda());
    }

    private static Sum ties(MergeSettings settings) {
        return (vectors, weights) -> Ties.disjointMean(vectors, weights, settings.majoritySign());
    }

    /** As PEFT and mergekit do, each tensor has a threshold of its own. */
    private static LongFunction<List<Tensor>> trimmed(Ingredients tensor, MergeSettings settings) {
        double[] thresholds = new double[tensor.count()];
        for (int i = 0; i < thresholds.length; i++) {
            int model = i;
            thresholds[i] =
                    MagnitudeThreshold.of(tensor.numel(), settings.density(), () -> tensor.wholeTaskVector(model));
        }
        return begin -> {
            List<Tensor> trimmed = new ArrayList<>();
            for (int model = 0; model < thresholds.length; model++) {
                trimmed.add(MagnitudeThreshold.trim(tensor.taskVector(model, begin), thresholds[model]));
            }
            return trimmed;
        };
    }

    private static LongFunction<List<Tensor>> dropped(Ingredients tensor, MergeSettings settings) {
        return begin -> {
            List<Tensor> vectors = tensor.taskVectors(begin);
            long seed = settings.seed() + 31L * tensor.name().hashCode() + 0x632BE59BD9B4E019L * begin;
            return Dare.rescaled(vectors, Dare.masks(vectors, settings.density(), seed), settings.density());
        };
    }

    private static LongFunction<Tensor> onTheSphere(Ingredients tensor, MergeSettings settings) {
        double squareA = total(tensor, (a, b) -> a.square().sum().item());
        double squareB = total(tensor, (a, b) -> b.square().sum().item());
        double product = total(tensor, (a, b) -> a.mul(b).sum().item());
        double[] weights = Slerp.weights(squareA, squareB, product, settings.t());
        return begin -> sum(tensor, weights, begin);
    }

    private static double total(Ingredients tensor, ToDoubleBiFunction<Tensor, Tensor> part) {
        return tensor.slices()
                .mapToDouble(begin -> Slerp.exactly(tensor.model(0, begin), tensor.model(1, begin), part))
                .sum();
    }
}
