package org.finetune4j.model.hub;

/** Hears how far a transfer is. Called often, from the thread that transfers. */
@FunctionalInterface
public interface HubProgress {

    /** Hears nothing. */
    HubProgress NONE = (file, done, total) -> {};

    /**
     * Some bytes more.
     *
     * @param file the path in the repository
     * @param done bytes transferred, those of an earlier try included
     * @param total bytes of the file, or -1 where the hub does not say
     */
    void transferred(String file, long done, long total);
}
