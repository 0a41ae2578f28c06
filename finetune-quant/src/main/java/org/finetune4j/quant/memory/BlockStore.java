package org.finetune4j.quant.memory;

/**
 * Two places for blocks of memory: a near one, such as a GPU's memory, which holds some of them, and a far one, such as the
 * host's memory or a file, which holds all. Moving is a hint: a block that is used where it is not only costs time.
 *
 * @param <K> what names a block
 */
public interface BlockStore<K> {

    /** The size of a block in bytes. */
    long bytes(K block);

    /** Moves a block near, or begins to. */
    void bringIn(K block);

    /** Moves a block away. */
    void moveOut(K block);
}
