package org.finetune4j.generate;

/** Why a continuation ended. */
public enum FinishReason {
    /** A stop token or a stop string came. */
    STOP,
    /** There were as many tokens as were asked for. */
    LENGTH
}
