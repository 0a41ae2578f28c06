package org.finetune4j.train.offload;

/**
 * Two places for blocks of memory: a near one, such as a GPU's memory, which holds some of them, and a far one, such as the
 * host's memory or a file, which holds all. Moving is a hint: a block that is used where it is not only costs time.
 *
 * @param <K> what names a block
 */
public interface BlockStore<K> {

    /**
     * {@return the size of a block in bytes}
     *
     * @param block any that the store knows
     */
    long bytes(K block);

    /**
     * Moves a block near, or begins to.
     *
     * @param block any that the store knows
     */
    void bringIn(K block);

    /**
     * Moves a block away.
     *
     * @param block any that the store knows
     */
    void moveOut(K block);
}
