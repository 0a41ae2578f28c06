package org.finetune4j.model.gguf;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.Tensor;

/** What the decoders that llama.cpp knows share. */
abstract class GgufDecoder implements GgufArchitecture {

    private final GgufNames names;

    GgufDecoder(GgufNames names) {
        this.names = names;
    }

    /** Whether the output layer is the token embedding where config.json does not say. */
    boolean isTiedByDefault() {
        return false;
    }

    /** Changes a tensor into llama.cpp's layout. */
    Tensor convert(String name, Tensor tensor, ModelConfig config) {
        return tensor;
    }

    /** The shape that {@link #convert} gives. */
    long[] shape(String name, long[] shape) {
        return shape;
    }

    /** Tensors that no checkpoint has. */
    List<GgufTensor> extraTensors(ModelConfig config) {
        return List.of();
    }

    @Override
    public List<GgufTensor> tensors(ModelConfig config, CheckpointReader checkpoint) {
        List<GgufTensor> tensors = new ArrayList<>(extraTensors(config));
        boolean tied = config.flag("tie_word_embeddings", isTiedByDefault());
        for (String name : checkpoint.names()) {
            if (isNoWeight(name) || (tied && name.equals("lm_head.weight"))) {
                continue;
            }
            String translated = names.translate(name);
            if (translated == null) {
                throw new UserErrorException(checkpoint.directory() + ": llama.cpp's architecture '" + name(config)
                        + "' has no place for tensor '" + name + "'");
            }
            tensors.add(new GgufTensor(
                    translated,
                    shape(name, checkpoint.shape(name)),
                    () -> convert(name, checkpoint.tensor(name), config)));
        }
        return tensors;
    }

    /** What old checkpoints store besides weights: it is calculated. */
    private static boolean isNoWeight(String name) {
        return name.endsWith(".rotary_emb.inv_freq") || name.endsWith(".attn.bias") || name.endsWith(".masked_bias");
    }

    /** Sizes in the keys that all families since Llama have. */
    void describeSizes(ModelConfig config, GgufMetadata metadata) {
        String prefix = name(config) + ".";
        int heads = config.positive("num_attention_heads");
        metadata.put(prefix + "block_count", config.positive("num_hidden_layers"))
                .put(prefix + "context_length", contextLength(config))
                .put(prefix + "embedding_length", config.positive("hidden_size"))
                .put(prefix + "feed_forward_length", config.positive("intermediate_size"))
                .put(prefix + "attention.head_count", heads)
                .put(prefix + "attention.head_count_kv", config.positive("num_key_value_heads", heads))
                .put(prefix + "attention.layer_norm_rms_epsilon", config.number("rms_norm_eps", 1e-6));
    }

    int contextLength(ModelConfig config) {
        return config.positive("max_position_embeddings", 2048);
    }

    static void describeHeadSize(ModelConfig config, String prefix, int headDim, GgufMetadata metadata) {
        metadata.put(prefix + "attention.key_length", headDim).put(prefix + "attention.value_length", headDim);
    }

    static int headDim(ModelConfig config) {
        return config.positive("head_dim", config.positive("hidden_size") / config.positive("num_attention_heads"));
    }

    /** Refuses an activation function that llama.cpp does not use for the architecture. */
    static void requireActivation(ModelConfig config, String key, String expected) {
        String actual = config.text(key, expected);
        if (!actual.equals(expected)) {
            throw new UserErrorException(config.origin() + ": '" + key + "' is '" + actual
                    + "': llama.cpp always calculates '" + expected + "' for this architecture");
        }
    }
}
