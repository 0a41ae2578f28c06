package org.finetune4j.model.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.ToIntFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;

/**
 * Which layers of a model see everything and which a window only.
 *
 * @param kinds one entry a layer
 * @param window how many tokens the latter see, themselves among them; 0 where there are none
 */
record LayerTypes(List<AttentionKind> kinds, int window) {

    /** All layers see everything. */
    static LayerTypes full(int layers) {
        return new LayerTypes(Collections.nCopies(layers, AttentionKind.FULL), 0);
    }

    /** Where {@code sliding_window} is given all layers have it. */
    static LayerTypes slidingEverywhere(ModelConfig config, int layers) {
        return config.has("sliding_window") ? sliding(layers, config.positive("sliding_window")) : full(layers);
    }

    /** All layers see the same window. */
    static LayerTypes sliding(int layers, int window) {
        return new LayerTypes(Collections.nCopies(layers, AttentionKind.SLIDING), window);
    }

    /** {@code sliding_window}, or the window that transformers takes where the key is missing. */
    static int window(ModelConfig config) {
        return config.positive("sliding_window", 4096);
    }

    /** Whether {@code sliding_window} is null, which asks for no window. */
    static boolean isUnlimited(ModelConfig config) {
        return config.node("sliding_window").isNull();
    }

    /**
     * What {@code layer_types} says or, where it is missing, {@code isSliding} of the layer's number.
     *
     * @throws UserErrorException for a type that is not implemented, or a window that is missing
     */
    static LayerTypes of(ModelConfig config, int layers, IntPredicate isSliding) {
        return of(config, layers, isSliding, LayerTypes::window);
    }

    /** The same where another key than {@code sliding_window} says the window. */
    static LayerTypes of(ModelConfig config, int layers, IntPredicate isSliding, ToIntFunction<ModelConfig> window) {
        JsonNode types = config.node("layer_types");
        if (config.has("layer_types") && (!types.isArray() || types.size() != layers)) {
            throw config.invalid("layer_types", "a list with one type for each of the " + layers + " layers");
        }
        List<AttentionKind> kinds = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            kinds.add(
                    types.isArray()
                            ? kind(config, types.get(i).asText())
                            : isSliding.test(i) ? AttentionKind.SLIDING : AttentionKind.FULL);
        }
        return new LayerTypes(
                List.copyOf(kinds), kinds.contains(AttentionKind.SLIDING) ? window.applyAsInt(config) : 0);
    }

    private static AttentionKind kind(ModelConfig config, String type) {
        return switch (type) {
            case "full_attention" -> AttentionKind.FULL;
            case "sliding_attention" -> AttentionKind.SLIDING;
            default ->
                throw new UserErrorException(config.origin() + ": 'layer_types': '" + type
                        + "' is not implemented, expected full_attention or sliding_attention");
        };
    }

    AttentionKind kind(int layer) {
        return kinds.get(layer);
    }

    Set<AttentionKind> distinct() {
        return kinds.isEmpty() ? Set.of() : EnumSet.copyOf(kinds);
    }
}
