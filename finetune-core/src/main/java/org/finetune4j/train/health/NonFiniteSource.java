package org.finetune4j.train.health;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.train.health.TrainingStatistics.Size;

/**
 * Where numbers stopped being numbers.
 *
 * @param place the first parameter or module that has a NaN or an infinity, in words
 * @param inWeights whether it is in a weight, so that the model's present state is lost
 */
public record NonFiniteSource(String place, boolean inWeights) {

    /**
     * Looks for the first one in weights.
     *
     * @param model with all its parameters, compressed ones included
     * @param trainable the parameters that a method trains beside them
     * @return the first weight with a number that is none, or empty
     */
    public static Optional<NonFiniteSource> inWeights(CausalLM model, Collection<Parameter> trainable) {
        return Stream.concat(model.network().allParameters().stream(), trainable.stream())
                .filter(parameter -> !parameter.isFinite())
                .map(parameter -> new NonFiniteSource("the weight " + parameter.name(), true))
                .findFirst();
    }

    /**
     * Looks for the first one in what good weights gave: in the outputs of the segments in their order, then in gradients
     * from the output down, as back-propagation made them.
     *
     * @param model whose weights are numbers
     * @param gradients of the step that went wrong, by name, as the model has them
     * @param batches of that step
     * @return the place, the loss itself where nothing else has one
     */
    public static NonFiniteSource inResults(CausalLM model, Map<String, Size> gradients, List<Batch> batches) {
        return inActivations(model, batches)
                .or(() -> inGradients(gradients))
                .orElse(new NonFiniteSource("the loss itself", false));
    }

    private static Optional<NonFiniteSource> inActivations(CausalLM model, List<Batch> batches) {
        String[] first = {null};
        for (Batch batch : batches) {
            SegmentProbe.run(model, batch.modelInputs(), (name, output) -> {
                if (!output.isFinite()) {
                    first[0] = name;
                }
                return first[0] == null;
            });
            if (first[0] != null) {
                return Optional.of(new NonFiniteSource("the output of " + first[0], false));
            }
        }
        return Optional.empty();
    }

    private static Optional<NonFiniteSource> inGradients(Map<String, Size> gradients) {
        return gradients.entrySet().stream()
                .filter(gradient -> !gradient.getValue().isFinite())
                .reduce((earlier, later) -> later)
                .map(last -> new NonFiniteSource("the gradient of " + last.getKey(), false));
    }
}
