package org.finetune4j.strategy;

import org.finetune4j.nn.Parameter;

/** What a method asks of the training loop beyond gradients of the loss. Most methods ask for nothing. */
public interface TrainingHooks {

    /** The hooks of a method that asks for nothing. */
    TrainingHooks NONE = new TrainingHooks() {};

    /**
     * {@return what the learning rate of one parameter is multiplied by, as LoRA+ does for B}
     *
     * @param parameter one of the method's trainable parameters
     */
    default double learningRateFactor(Parameter parameter) {
        return 1;
    }

    /**
     * Told once, before the first step, how many steps the whole run has; a resumed run is told the same.
     *
     * @param totalSteps optimizer steps of the whole run, those before a resumption included
     */
    default void beforeTraining(long totalSteps) {}

    /**
     * A penalty of the method's own that is added to the loss once in every step, such as AdaLoRA's orthogonality.
     *
     * @param addGradients whether its gradients are to be added to those of the parameters
     * @return its value
     */
    default double penalty(boolean addGradients) {
        return 0;
    }

    /**
     * Changes the gradients of a step, after they were scaled to the largest norm allowed and before the optimizer sees them. Who does
     * so says that it {@link #readsGradients}.
     */
    default void shapeGradients() {}

    /**
     * Whether {@link #afterUpdate} or {@link #shapeGradients} looks at gradients, which ranks that share them must then have whole.
     *
     * @return whether it does
     */
    default boolean readsGradients() {
        return false;
    }

    /**
     * Told after every update, while the gradients that made it are still there.
     *
     * @param step how many updates came before this one
     */
    default void afterUpdate(long step) {}
}
