package org.finetune4j.train;

import java.util.List;

/** Lets the model answer the same prompts before and after a run. */
public interface SamplePreview {

    /** Called before the first step, and before a checkpoint is restored. */
    void before();

    /**
     * Called after the last step.
     *
     * @return the comparisons
     */
    List<SampleComparison> after();
}
