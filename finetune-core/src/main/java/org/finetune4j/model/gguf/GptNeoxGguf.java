package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Tensor;

/** GPT-NeoX and Pythia. */
public final class GptNeoxGguf extends GgufDecoder {

    /** What llama.cpp's one approximation stands for: the function itself, and other approximations of it. */
    private static final Set<String> GELU = Set.of("gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh");

    /** Made by the service loader. */
    public GptNeoxGguf() {
        super(new GgufNames(Map.of(
                "gpt_neox.embed_in", "token_embd",
                "gpt_neox.final_layer_norm", "output_norm",
                "embed_out", "output",
                "input_layernorm", "attn_norm",
                "attention.query_key_value", "attn_qkv",
                "attention.dense", "attn_output",
                "post_attention_layernorm", "ffn_norm",
                "mlp.dense_h_to_4h", "ffn_up",
                "mlp.dense_4h_to_h", "ffn_down")));
    }

    @Override
    public List<String> architectures() {
        return List.of("GPTNeoXForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "gptneox";
    }

    @Override
    Output output(ModelConfig config) {
        return Output.REQUIRED;
    }

    @Override
    Epsilon epsilon() {
        return Epsilon.layerNorm("layer_norm_eps");
    }

    /** All heads have keys of their own, whatever else config.json says. */
    @Override
    int keyHeads(ModelConfig config, int heads) {
        return heads;
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        String activation = config.text("hidden_act", "gelu");
        if (!GELU.contains(activation)) {
            throw new UserErrorException(config.origin() + ": 'hidden_act' is '" + activation
                    + "': llama.cpp always calculates 'gelu' for this architecture");
        }
        requireFlag(config, "attention_bias", true, true);
        requireDividedHeads(config);
        describeSizes(config, metadata);
        GgufRotary rotary = GgufRotary.of(config, "rotary_emb_base", 10_000);
        rotary.describe("gptneox.", metadata);
        metadata.put("gptneox.rope.dimension_count", rotary.rotated(headDim(config), "rotary_pct", 0.25))
                .put("gptneox.use_parallel_residual", config.flag("use_parallel_residual", true));
    }

    /** GPT-NeoX has queries, keys and values side by side for each head, llama.cpp all queries first. */
    @Override
    Tensor convert(String name, Tensor tensor, ModelConfig config) {
        if (!name.contains(".query_key_value.")) {
            return tensor;
        }
        long[] shape = tensor.shape();
        int heads = config.positive("num_attention_heads");
        return tensor.contiguous()
                .reshape(heads, 3, shape[0] / heads / 3, -1) // [heads, 3, headDim, in]
                .transpose(0, 1) // [3, heads, headDim, in]
                .reshape(shape);
    }
}
