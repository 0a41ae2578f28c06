package org.finetune4j.nn;

/** How far back a layer's attention sees. The layers of one model can differ. */
public enum AttentionKind {
    /** All tokens of the sequence. */
    FULL,
    /** The last tokens only, the token itself among them (Beltagy et al. 2020). */
    SLIDING
}
