package org.finetune4j.nn;

/**
 * Two sets of speeds, for sequences up to and beyond the length of the training (Ding et al. 2024).
 *
 * @param originalContext the longest sequence that {@code near} is for
 */
public record LongRope(RotaryFrequencies near, RotaryFrequencies far, int originalContext) implements RotaryEmbedding {

    @Override
    public RotaryFrequencies frequencies(int length) {
        return length > originalContext ? far : near;
    }

    @Override
    public boolean canGrow(int before, int after) {
        return regime(before) == regime(after);
    }

    @Override
    public int regime(int length) {
        return length > originalContext ? 1 : 0;
    }
}
