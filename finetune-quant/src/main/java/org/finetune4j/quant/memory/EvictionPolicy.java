package org.finetune4j.quant.memory;

import java.util.Collection;
import java.util.List;

/**
 * Decides which block gives way. Implementations are not thread-safe.
 *
 * @param <K> what names a block
 */
public interface EvictionPolicy<K> {

    /** Says that a block is used now. */
    void used(K block);

    /** The block that gives way first; {@code candidates} is not empty. */
    K victim(Collection<K> candidates);

    /** The blocks that are likely to be used next, the next one first; empty when nothing is known. */
    List<K> upcoming(int most);
}
