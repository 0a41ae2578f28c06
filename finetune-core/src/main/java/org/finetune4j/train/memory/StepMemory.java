package org.finetune4j.train.memory;

/**
 * What the steps of a source take: their largest batch, and what there is beside the model and its steps.
 *
 * @param load the largest batch that goes through the model and back
 * @param companions bytes of models that stay beside the one that trains
 * @param rollouts bytes that the model needs while it answers, when no step is computed
 */
public record StepMemory(MemoryPlan.Load load, long companions, long rollouts) {

    /**
     * Steps that need nothing but their batches.
     *
     * @param load the largest batch
     * @return the memory of such steps
     */
    public static StepMemory of(MemoryPlan.Load load) {
        return new StepMemory(load, 0, 0);
    }

    /**
     * The same with more beside the model.
     *
     * @param bytes of it
     * @return the memory of such steps
     */
    public StepMemory withCompanion(long bytes) {
        return new StepMemory(load, companions + bytes, rollouts);
    }
}
