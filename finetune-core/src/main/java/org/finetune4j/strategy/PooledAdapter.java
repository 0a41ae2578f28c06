package org.finetune4j.strategy;

import org.finetune4j.nn.RowAdapters;

/** An adapter of a {@link RowAdapterPool}: in memory, and used by the rows that say so. */
public interface PooledAdapter extends AutoCloseable {

    /** {@return what lets one row use this adapter} It goes with a request, such as {@code GenerationRequest.withAdapters}. */
    RowAdapters rows();

    /** {@return what the adapter's parameters take, in bytes} */
    long bytes();

    /** Takes the adapter out of the pool and frees it. No row may use it any more; closing twice is fine. */
    @Override
    void close();
}
