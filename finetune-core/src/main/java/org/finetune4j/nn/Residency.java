package org.finetune4j.nn;

/**
 * Brings what a segment of a model needs to where it is needed, and lets it go again: decompresses weights, gathers shards,
 * fetches what was offloaded. A pass calls it around everything that it does with an embedding, a layer or an output layer;
 * whoever is told of the forward pass of one may prepare the next. It belongs to one pass and is called on its thread.
 */
public interface Residency {

    /**
     * Before a segment runs.
     *
     * @param segment the embedding, a layer, or the output layer
     */
    default void beforeForward(Module segment) {}

    /**
     * After a segment ran, or failed.
     *
     * @param segment the segment
     */
    default void afterForward(Module segment) {}

    /**
     * Before the gradients of a segment are calculated: its weights must be what they were when it ran, in the same memory.
     *
     * @param segment the segment
     */
    default void beforeBackward(Module segment) {}

    /**
     * After the gradients of a segment were calculated, or that failed.
     *
     * @param segment the segment
     */
    default void afterBackward(Module segment) {}

    /**
     * Both, one inside of the other.
     *
     * @param inner is called within this one
     * @return both
     */
    default Residency around(Residency inner) {
        Residency outer = this;
        return new Residency() {
            @Override
            public void beforeForward(Module segment) {
                outer.beforeForward(segment);
                inner.beforeForward(segment);
            }

            @Override
            public void afterForward(Module segment) {
                inner.afterForward(segment);
                outer.afterForward(segment);
            }

            @Override
            public void beforeBackward(Module segment) {
                outer.beforeBackward(segment);
                inner.beforeBackward(segment);
            }

            @Override
            public void afterBackward(Module segment) {
                inner.afterBackward(segment);
                outer.afterBackward(segment);
            }
        };
    }
}
