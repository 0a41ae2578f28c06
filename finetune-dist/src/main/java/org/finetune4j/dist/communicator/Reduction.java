package org.finetune4j.dist.communicator;

/** How the values of all ranks become one. */
public enum Reduction {
    /** Their sum. */
    SUM,
    /** The smallest of them. */
    MIN,
    /** The largest of them. */
    MAX
}
