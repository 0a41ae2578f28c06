package org.finetune4j.model.gguf;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Tensor;

/** GPT-2. */
public final class Gpt2Gguf extends GgufDecoder {

    /** Made by the service loader. */
    public Gpt2Gguf() {
        super(new GgufNames(names()));
    }

    private static Map<String, String> names() {
        Map<String, String> names = new HashMap<>(Map.of(
                "ln_1", "attn_norm",
                "attn.c_attn", "attn_qkv",
                "attn.c_proj", "attn_output",
                "ln_2", "ffn_norm",
                "mlp.c_fc", "ffn_up",
                "mlp.c_proj", "ffn_down",
                "lm_head", "output"));
        for (String prefix : List.of("", "transformer.")) {
            names.put(prefix + "wte", "token_embd");
            names.put(prefix + "wpe", "position_embd");
            names.put(prefix + "ln_f", "output_norm");
        }
        return names;
    }

    @Override
    public List<String> architectures() {
        return List.of("GPT2LMHeadModel");
    }

    @Override
    public String name(ModelConfig config) {
        return "gpt2";
    }

    @Override
    boolean isTiedByDefault() {
        return true;
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        String activation = config.text("activation_function", "gelu_new");
        if (!activation.equals("gelu_pytorch_tanh")) { // another name of the same function
            requireActivation(config, "activation_function", "gelu_new");
        }
        if (!config.flag("scale_attn_weights", true) || config.flag("scale_attn_by_inverse_layer_idx", false)) {
            throw new UserErrorException(
                    config.origin() + ": llama.cpp always divides GPT-2's scores by the square root"
                            + " of the head's size: scale_attn_weights must be true, scale_attn_by_inverse_layer_idx false");
        }
        int hidden = config.positive("n_embd", 768);
        metadata.put("gpt2.block_count", config.positive("n_layer", 12))
                .put("gpt2.context_length", config.positive("n_positions", config.positive("n_ctx", 1024)))
                .put("gpt2.embedding_length", hidden)
                .put("gpt2.feed_forward_length", config.positive("n_inner", 4 * hidden))
                .put("gpt2.attention.head_count", config.positive("n_head", 12))
                .put("gpt2.attention.layer_norm_epsilon", config.number("layer_norm_epsilon", 1e-5));
    }

    /** GPT-2 stores its matrices as [in, out], llama.cpp all of them as [out, in]. */
    private static boolean isTransposed(String name) {
        return name.matches(".*\\.(c_attn|c_proj|c_fc)\\.weight");
    }

    @Override
    Tensor convert(String name, Tensor tensor, ModelConfig config) {
        return isTransposed(name) ? tensor.transpose(0, 1).contiguous() : tensor;
    }

    @Override
    long[] shape(String name, long[] shape) {
        return isTransposed(name) ? new long[] {shape[1], shape[0]} : shape;
    }
}
