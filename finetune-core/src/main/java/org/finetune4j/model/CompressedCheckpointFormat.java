package org.finetune4j.model;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.Services;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A way in which checkpoints hold compressed weights, as their {@code quantization_config} names it: it reads and writes what the
 * weights calculate with. Implementations are named in {@code META-INF/services/org.finetune4j.model.CompressedCheckpointFormat}.
 */
public interface CompressedCheckpointFormat {

    /**
     * {@return whether this is the way that the configuration names}
     *
     * @param config of the checkpoint
     */
    boolean accepts(ModelConfig config);

    /**
     * Looks at the rest of what the configuration says.
     *
     * @param config of a checkpoint in this format
     * @throws UserErrorException when it asks for something that is not implemented
     */
    void check(ModelConfig config);

    /**
     * {@return the names of the tensors that a checkpoint holds of the compressed weight {@code name}; empty when it is a
     * plain one}
     *
     * @param reader of the checkpoint
     * @param name of the weight in the checkpoint
     */
    Set<String> partsOf(CheckpointReader reader, String name);

    /**
     * Reads a weight that the checkpoint holds compressed.
     *
     * @param reader of the checkpoint
     * @param name of the weight in the checkpoint
     * @param shape of the weight that it stands for
     * @param device where the weights go
     * @return the weight
     * @throws UserErrorException when a part is missing or broken, or it has another shape
     */
    CompressedWeight read(CheckpointReader reader, String name, long[] shape, Device device);

    /**
     * {@return whether checkpoints of this format can hold the weight}
     *
     * @param weight of any kind
     */
    boolean holds(CompressedWeight weight);

    /**
     * {@return what a checkpoint holds of a weight, by full name}
     *
     * @param weight one that this format {@linkplain #holds holds}
     * @param name of the weight, such as {@code model.layers.0.self_attn.q_proj.weight}
     */
    Map<String, Tensor> tensors(CompressedWeight weight, String name);

    /**
     * {@return the {@code quantization_config} that a checkpoint needs to be read again}
     *
     * @param weight one that this format holds; it stands for all, which are stored alike
     */
    Map<String, Object> configuration(CompressedWeight weight);

    /** {@return all formats on the class path} */
    static List<CompressedCheckpointFormat> all() {
        return Services.of(CompressedCheckpointFormat.class);
    }

    /**
     * {@return the format of a checkpoint, or null when its weights are plain}
     *
     * @param config of the checkpoint
     * @throws UserErrorException when nothing on the class path reads it
     */
    static @Nullable CompressedCheckpointFormat of(ModelConfig config) {
        if (!config.has(ModelConfig.QUANTIZATION)) {
            return null;
        }
        CompressedCheckpointFormat format = all().stream()
                .filter(known -> known.accepts(config))
                .findFirst()
                .orElseThrow(() -> config.invalid(
                        ModelConfig.QUANTIZATION,
                        "a kind of quantisation that is on the class path (finetune-quant reads bitsandbytes)"));
        format.check(config);
        return format;
    }

    /**
     * {@return a format whose checkpoints can hold the weight; empty for one that is only calculated from others when it is
     * used, which is written as a plain weight}
     *
     * @param weight of any kind
     */
    static Optional<CompressedCheckpointFormat> holding(CompressedWeight weight) {
        return all().stream().filter(format -> format.holds(weight)).findFirst();
    }
}
