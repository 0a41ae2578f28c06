package org.finetune4j.nn;

/** Gives the rotation speeds of a rotary position embedding; some depend on how long the sequence is. */
public interface RotaryEmbedding {

    /** The speeds for a sequence of {@code length} tokens. */
    RotaryFrequencies frequencies(int length);

    /**
     * Whether keys that were rotated in a sequence of {@code before} tokens can stay when it has {@code after} now, more or,
     * where some were taken back, fewer.
     */
    default boolean canGrow(int before, int after) {
        return true;
    }
}
