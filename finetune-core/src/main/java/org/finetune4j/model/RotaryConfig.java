package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.RotaryFrequencies;

/**
 * Reads the rotary embedding of a configuration: {@code rope_parameters} as transformers 5 writes it, {@code rope_theta}
 * and {@code rope_scaling} as transformers 4 did.
 */
public final class RotaryConfig {

    private static final List<String> TYPES = List.of("default", "linear", "llama3");

    private RotaryConfig() {}

    /** The rotation speeds for heads of {@code headDim} elements. */
    public static RotaryFrequencies frequencies(ModelConfig config, int headDim) {
        String key = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        JsonNode scaling = config.node(key);
        double theta = scaling.path("rope_theta").asDouble(config.number("rope_theta", 10_000));
        RotaryFrequencies standard = RotaryFrequencies.standard(headDim, theta);
        if (!config.has(key)) {
            return standard;
        }
        String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
        return switch (type) {
            case "default" -> standard;
            case "linear" -> standard.linear(required(config, key, "factor"));
            case "llama3" ->
                standard.llama3(
                        required(config, key, "factor"),
                        required(config, key, "low_freq_factor"),
                        required(config, key, "high_freq_factor"),
                        required(config, key, "original_max_position_embeddings"));
            default ->
                throw new UserErrorException(config.origin() + ": '" + key + "': rope_type '" + type
                        + "' is not implemented" + Suggestions.didYouMean(type, TYPES));
        };
    }

    private static double required(ModelConfig config, String key, String name) {
        JsonNode value = config.node(key).path(name);
        if (!value.isNumber()) {
            throw config.invalid(key, "an object with the number '" + name + "'");
        }
        return value.asDouble();
    }
}
