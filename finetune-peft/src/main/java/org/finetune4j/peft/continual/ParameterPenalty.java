package org.finetune4j.peft.continual;

/** Something that is added to a training's loss and depends on nothing but its parameters. */
interface ParameterPenalty extends AutoCloseable {

    /**
     * The penalty once.
     *
     * @param addGradients whether its gradients are to be added to those of the parameters
     * @return its value
     */
    double add(boolean addGradients);

    /** Told after every update. */
    default void afterUpdate() {}

    @Override
    default void close() {}
}
