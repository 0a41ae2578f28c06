package org.finetune4j.model;

import org.finetune4j.nn.ParameterSlice;
import org.jspecify.annotations.Nullable;

/**
 * How one process holds its share of every layer of a model. The model's classes know nothing of it: they build layers of the
 * share's sizes, whose parameters are slices of the checkpoint's.
 */
public interface ModelPartition {

    /**
     * The configuration of the share.
     *
     * @param whole of the checkpoint
     * @return with the sizes that this process's layers have
     * @throws org.finetune4j.UserErrorException when the model cannot be divided so
     */
    ModelConfig local(ModelConfig whole);

    /**
     * Which part of a tensor this process has.
     *
     * @param name in the checkpoint
     * @return the part, or null for all of it
     */
    @Nullable
    ParameterSlice slice(String name);

    /**
     * Connects layers that were built by {@link #local} and have their parameters.
     *
     * @param network the share
     */
    void connect(DecoderModel network);
}
