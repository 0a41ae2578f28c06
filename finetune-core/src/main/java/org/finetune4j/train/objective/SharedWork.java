package org.finetune4j.train.objective;

import java.io.IOException;
import java.nio.file.Path;

/** Something that the first rank does with the others' help: it may read any parameter of the model meanwhile. */
@FunctionalInterface
public interface SharedWork {

    /**
     * The first rank's part.
     *
     * @param others lets every other rank do its part and waits for all of them
     * @throws IOException when a file cannot be written
     */
    void first(Others others) throws IOException;

    /**
     * Another rank's part; called as often as the first rank asks for it.
     *
     * @param directory where it may write
     * @throws IOException when a file cannot be written
     */
    default void other(Path directory) throws IOException {}

    /** The other ranks, as the first one sees them. */
    @FunctionalInterface
    interface Others {

        /**
         * Lets all of them do their parts.
         *
         * @param directory where they may write
         * @throws org.finetune4j.FinetuneException when one of them failed
         */
        void work(Path directory);
    }
}
