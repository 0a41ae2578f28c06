package org.finetune4j.peft.freeze;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.jspecify.annotations.Nullable;

/**
 * What stays frozen in partial fine-tuning.
 *
 * @param frozenLayers how many layers from the bottom stay as they are; negative: how many at the top train
 * @param freezeEmbeddings whether the embeddings stay as they are, and with them an output layer that shares their weight
 * @param freezeHead whether the final norm and the output layer stay as they are
 */
public record FreezeConfig(int frozenLayers, boolean freezeEmbeddings, boolean freezeHead) {

    static final String TYPE = "FREEZE";
    static final String LAYERS = "freeze_layers";
    static final String EMBEDDINGS = "freeze_embeddings";
    static final String HEAD = "freeze_head";

    static FreezeConfig from(Settings settings) {
        if (!settings.has(LAYERS)) {
            throw settings.invalid(LAYERS, "how many layers from the bottom stay frozen, or -n to train the top n");
        }
        return new FreezeConfig(
                settings.integer(LAYERS, 0), settings.flag(EMBEDDINGS, true), settings.flag(HEAD, false));
    }

    Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("peft_type", TYPE);
        json.put(LAYERS, frozenLayers);
        json.put(EMBEDDINGS, freezeEmbeddings);
        json.put(HEAD, freezeHead);
        return json;
    }
}
