package org.finetune4j.train.memory;

/** Puts a {@link MemoryPlan} together; parts that are not given are 0. */
public final class MemoryPlanBuilder {

    private long trainable;
    private long total;
    private long weights;
    private long gradients;
    private long accumulated;
    private long optimizerState;
    private long optimizerResident;
    private long masters;
    private long average;
    private long activations;
    private long backward;
    private long head;
    private long process;
    private long companions;
    private long rollouts;
    private long offloaded;

    MemoryPlanBuilder() {}

    MemoryPlanBuilder(MemoryPlan plan) {
        trainable = plan.trainable();
        total = plan.total();
        weights = plan.weights();
        gradients = plan.gradients();
        accumulated = plan.accumulated();
        optimizerState = plan.optimizerState();
        optimizerResident = plan.optimizerResident();
        masters = plan.masters();
        average = plan.average();
        activations = plan.activations();
        backward = plan.backward();
        head = plan.head();
        process = plan.process();
        companions = plan.companions();
        rollouts = plan.rollouts();
        offloaded = plan.offloaded();
    }

    /**
     * {@return this builder}
     *
     * @param scalars that train
     */
    public MemoryPlanBuilder trainable(long scalars) {
        trainable = scalars;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param scalars of the model and what a method added
     */
    public MemoryPlanBuilder total(long scalars) {
        total = scalars;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of all parameters, in the types they are stored in
     */
    public MemoryPlanBuilder weights(long bytes) {
        weights = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of everything that trains, as far as they exist at one time
     */
    public MemoryPlanBuilder gradients(long bytes) {
        gradients = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of gradients that a forward pass finds there, from the batches before it in the same step
     */
    public MemoryPlanBuilder accumulated(long bytes) {
        accumulated = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes that the optimizer keeps between steps
     */
    public MemoryPlanBuilder optimizerState(long bytes) {
        optimizerState = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of the optimizer's state that are in memory at one time; the rest is in files
     */
    public MemoryPlanBuilder optimizerResident(long bytes) {
        optimizerResident = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of float32 values behind parameters that train in fewer bits
     */
    public MemoryPlanBuilder masters(long bytes) {
        masters = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of the moving average of what trains, where one is kept
     */
    public MemoryPlanBuilder average(long bytes) {
        average = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes kept for the backward pass of a batch of the longest samples, all layers
     */
    public MemoryPlanBuilder activations(long bytes) {
        activations = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes that the backward pass needs, see {@link MemoryPlan}
     */
    public MemoryPlanBuilder backward(long bytes) {
        backward = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of the output layer's scores and gradients, some rows at a time
     */
    public MemoryPlanBuilder head(long bytes) {
        head = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes that the process takes without the model: virtual machine and libraries
     */
    public MemoryPlanBuilder process(long bytes) {
        process = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes of models that stay beside this one, such as a reference or one that scores answers
     */
    public MemoryPlanBuilder companions(long bytes) {
        companions = bytes;
        return this;
    }

    /**
     * {@return this builder}
     *
     * @param bytes that the model needs while it answers, when no step is computed
     */
    public MemoryPlanBuilder rollouts(long bytes) {
        rollouts = bytes;
        return this;
    }

    /**
     * Sets what is in files.
     *
     * @param bytes of weights and masters
     * @return this builder
     */
    public MemoryPlanBuilder offloaded(long bytes) {
        offloaded = bytes;
        return this;
    }

    /** {@return the plan of what was given} */
    public MemoryPlan build() {
        return new MemoryPlan(
                trainable,
                total,
                weights,
                gradients,
                accumulated,
                optimizerState,
                optimizerResident,
                masters,
                average,
                activations,
                backward,
                head,
                process,
                companions,
                rollouts,
                offloaded);
    }
}
