package org.finetune4j.train.health;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Sizes of gradients and activations in one step.
 *
 * @param step number of the step, from 1
 * @param gradients by the parameter's name, before clipping
 * @param activations by the segment's name, in the order in which they run, over padding too
 */
public record TrainingStatistics(long step, Map<String, Size> gradients, Map<String, Size> activations) {

    /**
     * How large the numbers of a tensor are.
     *
     * @param rootMeanSquare of all elements
     * @param largest absolute value
     */
    public record Size(double rootMeanSquare, double largest) {

        /** {@return whether all elements are numbers; a mean of squares that are too large for a float is no sign of others} */
        public boolean isFinite() {
            return Double.isFinite(largest) && !Double.isNaN(rootMeanSquare);
        }

        /**
         * Measures a tensor.
         *
         * @param tensor with an element at least
         * @return its size
         */
        public static Size of(Tensor tensor) {
            try (TensorScope scope = TensorScope.open();
                    Autograd.Mode mode = Autograd.disabled()) {
                Tensor values = tensor.detach();
                double norm = values.norm().item();
                return new Size(
                        norm / Math.sqrt((double) Math.max(1, values.numel())),
                        values.abs().max().item());
            }
        }
    }

    /**
     * Copies the maps.
     *
     * @param step number of the step, from 1
     * @param gradients by the parameter's name, before clipping
     * @param activations by the segment's name, in the order in which they run, over padding too
     */
    public TrainingStatistics {
        gradients = Collections.unmodifiableMap(new LinkedHashMap<>(gradients));
        activations = Collections.unmodifiableMap(new LinkedHashMap<>(activations));
    }

    /**
     * {@return the sizes of the gradients that are there, by name}
     *
     * @param trainable whose gradients are measured
     */
    public static Map<String, Size> gradients(Collection<Parameter> trainable) {
        Map<String, Size> gradients = new LinkedHashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            for (Parameter parameter : trainable) {
                Tensor gradient = parameter.grad();
                if (gradient != null) {
                    gradients.put(parameter.name(), Size.of(gradient));
                }
            }
        }
        return gradients;
    }

    /**
     * Measures the activations of one more forward pass, beside gradients.
     *
     * @param step number of the step, from 1
     * @param gradients what was found of them
     * @param model that runs
     * @param batch for the forward pass
     * @return the sizes
     */
    public static TrainingStatistics measure(long step, Map<String, Size> gradients, CausalLM model, Batch batch) {
        Map<String, Size> activations = new LinkedHashMap<>();
        SegmentProbe.run(model, batch.modelInputs(), (name, output) -> {
            activations.put(name, Size.of(output));
            return true;
        });
        return new TrainingStatistics(step, gradients, activations);
    }
}
