package org.finetune4j.dist.tensor;

/** How the experts of a mixture are divided among the ranks of a group. */
public enum ExpertDivision {
    /** Every rank has a slice of every expert. */
    SLICES,
    /** Every rank has some experts, and calculates these for all tokens (expert parallelism). */
    WHOLE
}
