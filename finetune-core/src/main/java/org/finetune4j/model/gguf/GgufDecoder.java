package org.finetune4j.model.gguf;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.Tensor;

/** What the decoders that llama.cpp knows share. */
abstract class GgufDecoder implements GgufArchitecture {

    /** Where llama.cpp takes the output layer's matrix from. */
    enum Output {
        /** The file, or the token embedding where the file has none. */
        OPTIONAL,
        /** The file: a tied one is written a second time. */
        REQUIRED,
        /** Always the token embedding. */
        TIED
    }

    /**
     * The number that norms add to what they divide by.
     *
     * @param key in config.json
     * @param fallback where config.json does not say
     * @param name llama.cpp's, which is another one for norms that subtract the mean
     */
    record Epsilon(String key, double fallback, String name) {

        static Epsilon rms(double fallback) {
            return new Epsilon("rms_norm_eps", fallback, "attention.layer_norm_rms_epsilon");
        }

        static Epsilon layerNorm(String key) {
            return new Epsilon(key, 1e-5, "attention.layer_norm_epsilon");
        }

        void describe(ModelConfig config, String prefix, GgufMetadata metadata) {
            metadata.put(prefix + name, config.number(key, fallback));
        }
    }

    private static final String EMBEDDING = "token_embd.weight";
    private static final String OUTPUT = "output.weight";

    private final GgufNames names;

    GgufDecoder(GgufNames names) {
        this.names = names;
    }

    /** What transformers takes where config.json lacks a number. */
    Map<String, Number> defaults() {
        return Map.of();
    }

    /** Whether the output layer is the token embedding where config.json does not say. */
    boolean isTiedByDefault() {
        return false;
    }

    Output output(ModelConfig config) {
        return Output.OPTIONAL;
    }

    Epsilon epsilon() {
        return Epsilon.rms(1e-6);
    }

    /** Writes down what {@link #describe} does, of a configuration with its defaults. */
    abstract void describeFamily(ModelConfig config, GgufMetadata metadata);

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
    public final void describe(ModelConfig config, GgufMetadata metadata) {
        ModelConfig complete = config.withDefaults(defaults());
        if (output(complete) == Output.TIED) {
            requireFlag(complete, "tie_word_embeddings", true, isTiedByDefault());
        }
        describeFamily(complete, metadata);
    }

    @Override
    public final List<GgufTensor> tensors(ModelConfig config, CheckpointReader checkpoint) {
        ModelConfig complete = config.withDefaults(defaults());
        Map<String, GgufSource> sources = new LinkedHashMap<>();
        for (GgufSource source : GgufSource.of(checkpoint, name -> !isNoWeight(name))) {
            String translated = names.translate(source.name());
            if (translated == null) {
                throw new UserErrorException(checkpoint.directory() + ": llama.cpp's architecture '" + name(complete)
                        + "' has no place for tensor '" + source.name() + "'");
            }
            sources.put(translated, source);
        }
        settleOutput(complete, checkpoint, sources);
        List<GgufTensor> tensors = new ArrayList<>(extraTensors(complete));
        sources.forEach((name, source) -> tensors.add(new GgufTensor(
                name, shape(source.name(), source.shape()), () -> convert(source.name(), source.tensor(), complete))));
        return tensors;
    }

    /** A checkpoint may have an output layer of its own although it is said to be tied: then that one counts. */
    private void settleOutput(ModelConfig config, CheckpointReader checkpoint, Map<String, GgufSource> sources) {
        GgufSource embedding = sources.get(EMBEDDING);
        GgufSource own = sources.get(OUTPUT);
        boolean tied = config.flag("tie_word_embeddings", isTiedByDefault());
        if (embedding == null || (own == null && !tied)) {
            throw new UserErrorException(checkpoint.directory() + ": the checkpoint has no "
                    + (embedding == null ? "token embedding" : "output layer, and 'tie_word_embeddings' is false"));
        }
        if (own != null && tied && own.hasValuesOf(embedding)) {
            sources.remove(OUTPUT);
        }
        Output output = output(config);
        if (output == Output.TIED && sources.containsKey(OUTPUT)) {
            throw new UserErrorException(checkpoint.directory()
                    + ": the output layer is not the token embedding, which llama.cpp always takes for architecture '"
                    + name(config) + "'");
        }
        if (output == Output.REQUIRED) {
            sources.putIfAbsent(OUTPUT, embedding);
        }
    }

    /** What old checkpoints store besides weights: it is calculated. */
    private static boolean isNoWeight(String name) {
        return name.endsWith(".rotary_emb.inv_freq")
                || name.endsWith(".attn.bias")
                || name.endsWith(".attention.bias")
                || name.endsWith(".masked_bias");
    }

    /** Sizes in the keys that all families since Llama have. */
    final void describeSizes(ModelConfig config, GgufMetadata metadata) {
        String prefix = name(config) + ".";
        int heads = config.positive("num_attention_heads");
        metadata.put(prefix + "block_count", config.positive("num_hidden_layers"))
                .put(prefix + "context_length", contextLength(config))
                .put(prefix + "embedding_length", config.positive("hidden_size"))
                .put(prefix + "feed_forward_length", config.positive("intermediate_size"))
                .put(prefix + "attention.head_count", heads)
                .put(prefix + "attention.head_count_kv", keyHeads(config, heads));
        epsilon().describe(config, prefix, metadata);
    }

    /** How many heads of keys and values there are for so many of queries. */
    int keyHeads(ModelConfig config, int heads) {
        return config.positive("num_key_value_heads", heads);
    }

    int contextLength(ModelConfig config) {
        return config.positive("max_position_embeddings", 2048);
    }

    /** The context as far as the window reaches, where llama.cpp has no window. */
    static int contextWithinWindow(ModelConfig config, int trained) {
        return Math.min(trained, config.positive("sliding_window", trained));
    }

    static void describeHeadSize(ModelConfig config, String prefix, int headDim, GgufMetadata metadata) {
        metadata.put(prefix + "attention.key_length", headDim).put(prefix + "attention.value_length", headDim);
    }

    static int headDim(ModelConfig config) {
        return config.headDim("hidden_size", "num_attention_heads");
    }

    /** Refuses heads of another size than llama.cpp gives them. */
    static void requireDividedHeads(ModelConfig config) {
        if (headDim(config) * config.positive("num_attention_heads") != config.positive("hidden_size")) {
            throw new UserErrorException(config.origin() + ": 'head_dim' is " + headDim(config)
                    + ": llama.cpp always divides hidden_size among the heads of this architecture");
        }
    }

    /** Refuses an activation function that llama.cpp does not use for the architecture. */
    static void requireActivation(ModelConfig config, String key, String expected) {
        String actual = config.text(key, expected);
        if (!actual.equals(expected)) {
            throw new UserErrorException(config.origin() + ": '" + key + "' is '" + actual
                    + "': llama.cpp always calculates '" + expected + "' for this architecture");
        }
    }

    /** Refuses a switch that llama.cpp always has in the other position. */
    static void requireFlag(ModelConfig config, String key, boolean expected, boolean fallback) {
        if (config.flag(key, fallback) != expected) {
            throw new UserErrorException(config.origin() + ": '" + key + "' is " + !expected
                    + ": llama.cpp always calculates with " + expected + " for this architecture");
        }
    }

    /** Refuses switches that llama.cpp does not have. */
    static void requireOff(ModelConfig config, String... keys) {
        for (String key : keys) {
            requireFlag(config, key, false, false);
        }
    }

    /** Refuses windows: what {@code sliding_window} says counts where {@code use_sliding_window} is set. */
    static void requireNoWindow(ModelConfig config) {
        if (config.flag("use_sliding_window", false)) {
            throw new UserErrorException(
                    config.origin() + ": 'use_sliding_window': llama.cpp has no window for this architecture");
        }
    }

    /** llama.cpp gives every layer a window but each {@code period}th. */
    static void requireFullLayers(ModelConfig config, int period) {
        var types = config.node("layer_types");
        boolean right = types.isArray() || config.positive("sliding_window_pattern", period) == period;
        for (int layer = 0; layer < types.size(); layer++) {
            String expected = (layer + 1) % period == 0 ? "full_attention" : "sliding_attention";
            right &= types.get(layer).asText().equals(expected);
        }
        if (!right) {
            throw new UserErrorException(config.origin() + ": llama.cpp gives every layer a window but each " + period
                    + "th, which is not what layer_types or sliding_window_pattern ask for");
        }
    }
}
