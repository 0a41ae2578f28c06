package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;

/** Gemma 2 and the text models of Gemma 3. */
public final class GemmaGguf extends OffsetNormGguf {

    private static final String GEMMA3 = "Gemma3ForCausalLM";

    /** Made by the service loader. */
    public GemmaGguf() {
        super(Map.of(
                "post_attention_layernorm", "post_attention_norm",
                "pre_feedforward_layernorm", "ffn_norm",
                "post_feedforward_layernorm", "post_ffw_norm"));
    }

    @Override
    public List<String> architectures() {
        return List.of("Gemma2ForCausalLM", GEMMA3);
    }

    private static boolean isGemma3(ModelConfig config) {
        return config.architecture().equals(GEMMA3);
    }

    @Override
    public String name(ModelConfig config) {
        return isGemma3(config) ? "gemma3" : "gemma2";
    }

    /** llama.cpp reads an output layer of its own in Gemma 3 only. */
    @Override
    Output output(ModelConfig config) {
        return isGemma3(config) ? Output.OPTIONAL : Output.TIED;
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_activation", "gelu_pytorch_tanh");
        requireOff(config, "attention_bias");
        requireScale(config);
        requireFullLayers(config, isGemma3(config) ? 6 : 2);
        String prefix = name(config) + ".";
        describeSizes(config, metadata);
        describeHeadSize(config, prefix, config.positive("head_dim", 256), metadata);
        metadata.put(prefix + "attention.sliding_window", config.positive("sliding_window", 4096));
        if (isGemma3(config)) {
            GgufRotary.of(config, 1_000_000).describe(prefix, metadata);
            metadata.put(prefix + "rope.freq_base_swa", localTheta(config));
            if (config.has("attn_logit_softcapping")) {
                throw new UserErrorException(
                        config.origin() + ": 'attn_logit_softcapping': llama.cpp does not cap scores in Gemma 3");
            }
        } else {
            requireCap(config, "attn_logit_softcapping");
            requireCap(config, "final_logit_softcapping");
            metadata.put(prefix + "attn_logit_softcapping", config.number("attn_logit_softcapping", 50));
            GgufRotary.of(config, 10_000).describe(prefix, metadata);
        }
        if (!isGemma3(config) || config.has("final_logit_softcapping")) {
            metadata.put(prefix + "final_logit_softcapping", config.number("final_logit_softcapping", 30));
        }
    }

    /** A cap that is null is none, but llama.cpp puts its own in the place of one that is missing. */
    private static void requireCap(ModelConfig config, String key) {
        if (config.node(key).isNull()) {
            throw new UserErrorException(config.origin() + ": '" + key + "' is null: llama.cpp always caps in Gemma 2");
        }
    }

    private static double localTheta(ModelConfig config) {
        return config.node("rope_parameters")
                .path("sliding_attention")
                .path("rope_theta")
                .asDouble(config.number("rope_local_base_freq", 10_000));
    }

    /** llama.cpp decides itself what scores are multiplied by: the size of a head, but for the largest models. */
    private static void requireScale(ModelConfig config) {
        double scalar = config.number("query_pre_attn_scalar", 256);
        int layers = config.positive("num_hidden_layers");
        boolean largest = layers == (isGemma3(config) ? 62 : 46);
        double expected = largest
                ? (double) config.positive("hidden_size") / config.positive("num_attention_heads")
                : config.positive("head_dim", 256);
        if (scalar != expected) {
            throw new UserErrorException(config.origin() + ": 'query_pre_attn_scalar' is " + scalar
                    + ": llama.cpp always calculates with " + expected + " for this model");
        }
    }
}
