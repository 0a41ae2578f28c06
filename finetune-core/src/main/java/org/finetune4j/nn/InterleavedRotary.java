package org.finetune4j.nn;

/**
 * Speeds that depend on the length, for pairs of neighbours.
 *
 * @param speeds of the pairs
 */
record InterleavedRotary(RotaryEmbedding speeds) implements RotaryEmbedding {

    @Override
    public RotaryFrequencies frequencies(int length) {
        return speeds.frequencies(length).ofNeighbours();
    }

    @Override
    public boolean canGrow(int before, int after) {
        return speeds.canGrow(before, after);
    }

    @Override
    public int regime(int length) {
        return speeds.regime(length);
    }
}
