package org.finetune4j.model;

import java.util.ServiceLoader;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Knows a way in which checkpoints hold compressed weights, from the {@code quantization_config} of their configuration.
 * Implementations are named in {@code META-INF/services/org.finetune4j.model.CompressedCheckpointFormat}.
 */
public interface CompressedCheckpointFormat {

    /**
     * {@return whether this is the way that the configuration names}
     *
     * @param config of the checkpoint
     */
    boolean accepts(ModelConfig config);

    /**
     * What reads the weights.
     *
     * @param config of the checkpoint
     * @return the compression
     * @throws UserErrorException when the configuration asks for something that is not implemented
     */
    WeightCompression compression(ModelConfig config);

    /**
     * {@return what a checkpoint and its user ask for together: weights that are compressed already stay as they are}
     *
     * @param config of the checkpoint
     * @param options the user's
     */
    static @Nullable WeightCompression compressionOf(ModelConfig config, LoadOptions options) {
        if (!config.has(ModelConfig.QUANTIZATION)) {
            return options.compression();
        }
        for (CompressedCheckpointFormat format : ServiceLoader.load(CompressedCheckpointFormat.class)) {
            if (format.accepts(config)) {
                return format.compression(config);
            }
        }
        throw config.invalid(
                ModelConfig.QUANTIZATION,
                "a kind of quantisation that is on the class path (finetune-quant reads bitsandbytes)");
    }
}
