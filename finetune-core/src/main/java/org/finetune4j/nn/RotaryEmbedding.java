package org.finetune4j.nn;

/** Gives the rotation speeds of a rotary position embedding; some depend on how long the sequence is. */
public interface RotaryEmbedding {

    /**
     * {@return the speeds for a sequence of {@code length} tokens}
     *
     * @param length of the sequences in tokens
     */
    RotaryFrequencies frequencies(int length);

    /**
     * {@return whether keys that were rotated in a sequence of {@code before} tokens can stay when it has {@code after} now,
     * more or, where some were taken back, fewer}
     *
     * @param before tokens when they were rotated
     * @param after tokens now
     */
    default boolean canGrow(int before, int after) {
        return true;
    }

    /**
     * {@return a number that two lengths have in common if and only if their sequences rotate at the same speeds}
     *
     * @param length of a sequence in tokens
     */
    default int regime(int length) {
        return 0;
    }

    /** {@return the same speeds for pairs of neighbours: elements 2 i and 2 i + 1 of a head turn together} */
    default RotaryEmbedding ofNeighbours() {
        return new InterleavedRotary(this);
    }
}
