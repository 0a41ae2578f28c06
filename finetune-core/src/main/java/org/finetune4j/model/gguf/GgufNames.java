package org.finetune4j.model.gguf;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Translates a checkpoint's tensor names into llama.cpp's. */
final class GgufNames {

    private static final Pattern IN_LAYER =
            Pattern.compile("(?:(?:model|gpt_neox)\\.layers|(?:transformer\\.)?h)\\.(\\d+)\\.(.+)");

    /** Names that Llama gave most models: what is not in a layer, then what is. */
    static final Map<String, String> COMMON = Map.ofEntries(
            Map.entry("model.embed_tokens", "token_embd"),
            Map.entry("model.norm", "output_norm"),
            Map.entry("lm_head", "output"),
            Map.entry("input_layernorm", "attn_norm"),
            Map.entry("self_attn.q_proj", "attn_q"),
            Map.entry("self_attn.k_proj", "attn_k"),
            Map.entry("self_attn.v_proj", "attn_v"),
            Map.entry("self_attn.o_proj", "attn_output"),
            Map.entry("self_attn.q_norm", "attn_q_norm"),
            Map.entry("self_attn.k_norm", "attn_k_norm"),
            Map.entry("post_attention_layernorm", "ffn_norm"),
            Map.entry("mlp.gate_proj", "ffn_gate"),
            Map.entry("mlp.up_proj", "ffn_up"),
            Map.entry("mlp.down_proj", "ffn_down"));

    private final Map<String, String> names;

    GgufNames(Map<String, String> names) {
        this.names = names;
    }

    /** These names and others, which win. */
    static GgufNames commonAnd(Map<String, String> others) {
        Map<String, String> all = new HashMap<>(COMMON);
        all.putAll(others);
        return new GgufNames(all);
    }

    /** The new name, or null where llama.cpp has no place for the tensor. */
    @Nullable
    String translate(String tensor) {
        Matcher layer = IN_LAYER.matcher(tensor);
        String prefix = layer.matches() ? "blk." + layer.group(1) + "." : "";
        String inside = layer.matches() ? layer.group(2) : tensor;
        int dot = inside.lastIndexOf('.');
        String name = dot < 0 ? null : names.get(inside.substring(0, dot));
        return name == null ? null : prefix + name + inside.substring(dot);
    }
}
