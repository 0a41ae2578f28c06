package org.finetune4j.strategy;

import java.nio.file.Path;

/**
 * Adapters of one kind that rows of one batch use side by side. They come and go while the model answers: loading one
 * changes nothing that a pass under way reads. While a model has a pool, no adapter can be enabled on it.
 */
public interface RowAdapterPool extends AutoCloseable {

    /**
     * Reads an adapter. Any thread may call this, also while others compute.
     *
     * @param directory with the files of one adapter, which must not change meanwhile
     * @return the adapter, which the caller closes when no row uses it any more
     * @throws org.finetune4j.UserErrorException when a file is missing or broken, the adapter was made for another base model,
     *     or it does what cannot be done for some rows only
     */
    PooledAdapter load(Path directory);

    /** Lets the model compute as the base alone. The adapters are closed before. */
    @Override
    void close();
}
