package org.finetune4j.peft.promptlearning;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.PeftKeys;
import org.finetune4j.peft.SavedModules;
import org.jspecify.annotations.Nullable;

/** The keys that all of PEFT's prompt methods have. */
public final class PromptKeys {

    /** The usual number of virtual tokens in PEFT's examples; PEFT itself has no default. */
    public static final int DEFAULT_VIRTUAL_TOKENS = 20;

    private static final String TOKENS = "num_virtual_tokens";
    private static final String LAYERS = "num_layers";
    private static final String TOKEN_DIM = "token_dim";
    private static final String HEADS = "num_attention_heads";
    private static final String SUBMODULES = "num_transformer_submodules";

    private PromptKeys() {}

    /**
     * {@return the number of virtual tokens}
     *
     * @param settings under PEFT's keys
     */
    public static int virtualTokens(Settings settings) {
        return settings.integer(TOKENS, DEFAULT_VIRTUAL_TOKENS, 1, Settings.LARGEST_SIZE);
    }

    /**
     * The sizes of the base model that an adapter's file was made for; null where the settings do not say.
     *
     * @param layers number of layers
     * @param tokenDim width of a virtual token, of one layer's keys where it is a prefix
     * @param heads number of attention heads
     */
    public record Sizes(
            @Nullable Integer layers,
            @Nullable Integer tokenDim,
            @Nullable Integer heads) {

        /** {@return sizes that say nothing} */
        public static Sizes unknown() {
            return new Sizes(null, null, null);
        }

        /**
         * {@return the sizes that settings say}
         *
         * @param settings under PEFT's keys
         */
        public static Sizes from(Settings settings) {
            return new Sizes(size(settings, LAYERS), size(settings, TOKEN_DIM), size(settings, HEADS));
        }

        private static @Nullable Integer size(Settings settings, String key) {
            return settings.has(key) ? settings.integer(key, 1, 1) : null;
        }

        /**
         * Compares with a model.
         *
         * @param model the model's own sizes
         * @throws UserErrorException for the first one that differs
         */
        public void check(Sizes model) {
            check(LAYERS, layers, model.layers);
            check(TOKEN_DIM, tokenDim, model.tokenDim);
            check(HEADS, heads, model.heads);
        }

        private static void check(String key, @Nullable Integer wanted, @Nullable Integer own) {
            if (wanted != null && !wanted.equals(own)) {
                throw new UserErrorException("'" + key + "' is " + wanted + ", this model has " + own);
            }
        }

        /** {@return the keys with these values} */
        public Map<String, @Nullable Object> toJson() {
            Map<String, @Nullable Object> json = new LinkedHashMap<>();
            json.put(LAYERS, layers);
            json.put(TOKEN_DIM, tokenDim);
            json.put(HEADS, heads);
            return json;
        }
    }

    /**
     * {@return the sizes of a model whose virtual tokens stand in the place of token embeddings}
     *
     * @param model whose sizes are wanted
     */
    public static Sizes ofEmbeddings(CausalLM model) {
        return new Sizes(
                model.network().layers().size(),
                (int) model.network().inputEmbedding().weight().size(1),
                model.config().positive(Architecture.of(model.config()).headsKey()));
    }

    /**
     * {@return what every configuration has}
     *
     * @param peftType such as {@code PROMPT_TUNING}
     * @param virtualTokens how many there are
     * @param sizes of the model
     */
    public static Map<String, @Nullable Object> toJson(String peftType, int virtualTokens, Sizes sizes) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("peft_type", peftType);
        json.put(TOKENS, virtualTokens);
        json.put(SUBMODULES, 1);
        json.putAll(sizes.toJson());
        return json;
    }

    /**
     * Refuses settings of PEFT that are not implemented.
     *
     * @param settings under PEFT's keys
     * @param peftType such as {@code PROMPT_TUNING}
     * @param own the method's own keys
     */
    public static void refuseOthers(Settings settings, String peftType, List<String> own) {
        List<String> implemented = new ArrayList<>(own);
        implemented.addAll(List.of(TOKENS, LAYERS, TOKEN_DIM, HEADS, SUBMODULES));
        implemented.addAll(PromptInitialization.keys());
        implemented.addAll(SavedModules.keysOfHead(settings));
        PeftKeys.refuseOthers(settings, peftType, implemented);
        if (settings.integer(SUBMODULES, 1) != 1) {
            throw settings.invalid(SUBMODULES, "1, which is a decoder's");
        }
    }
}
