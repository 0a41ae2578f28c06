package org.finetune4j.train.offload;

import java.util.Collection;
import java.util.List;

/**
 * Decides which block gives way. Implementations are not thread-safe.
 *
 * @param <K> what names a block
 */
public interface EvictionPolicy<K> {

    /**
     * Says that a block is used now.
     *
     * @param block near or not
     */
    void used(K block);

    /**
     * {@return the block that gives way first; {@code candidates} is not empty}
     *
     * @param candidates blocks that are near and not in use
     */
    K victim(Collection<K> candidates);

    /**
     * {@return the blocks that are likely to be used next, the next one first; empty when nothing is known}
     *
     * @param most the largest number of blocks wanted
     */
    List<K> upcoming(int most);
}
