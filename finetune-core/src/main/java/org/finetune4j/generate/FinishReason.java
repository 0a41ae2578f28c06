package org.finetune4j.generate;

/** Why a continuation ended. */
public enum FinishReason {
    /** A stop token or a stop string came. */
    STOP,
    /** There were as many tokens as were asked for. */
    LENGTH,
    /** Nobody wants it any more: it was cancelled, or what computes it was closed. */
    CANCELLED,
    /** Its listener failed, or the model gave scores that are no numbers. */
    FAILED
}
