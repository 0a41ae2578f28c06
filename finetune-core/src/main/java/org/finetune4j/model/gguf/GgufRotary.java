package org.finetune4j.model.gguf;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Tensors;

/** The rotary embedding in llama.cpp's terms, from either spelling of config.json. */
final class GgufRotary {

    private final ModelConfig config;
    private final JsonNode scaling;
    private final double theta;

    private GgufRotary(ModelConfig config, JsonNode scaling, double theta) {
        this.config = config;
        this.scaling = scaling;
        this.theta = scaling.path("rope_theta").asDouble(theta);
    }

    static GgufRotary of(ModelConfig config, double defaultTheta) {
        JsonNode parameters = config.node("rope_parameters");
        JsonNode scaling = parameters.isObject() ? parameters : config.node("rope_scaling");
        JsonNode full = scaling.path("full_attention");
        return new GgufRotary(config, full.isObject() ? full : scaling, config.number("rope_theta", defaultTheta));
    }

    private String type() {
        return scaling.path("rope_type").asText(scaling.path("type").asText("default"));
    }

    /** @throws UserErrorException when llama.cpp has no such scaling */
    void describe(String prefix, GgufMetadata metadata) {
        String type = type();
        if (!Set.of("default", "linear", "yarn", "llama3").contains(type)) {
            throw new UserErrorException(
                    config.origin() + ": export of rope_type '" + type + "' to GGUF is not implemented");
        }
        metadata.put(prefix + "rope.freq_base", theta);
        if (type.equals("linear") || type.equals("yarn")) {
            metadata.put(prefix + "rope.scaling.type", type).put(prefix + "rope.scaling.factor", number("factor"));
        }
        if (type.equals("yarn")) {
            describeYarn(prefix, metadata);
        }
    }

    private void describeYarn(String prefix, GgufMetadata metadata) {
        if (!scaling.path("truncate").asBoolean(true) || scaling.has("mscale") || scaling.has("mscale_all_dim")) {
            throw new UserErrorException(
                    config.origin()
                            + ": export of rope_type 'yarn' with truncate, mscale or mscale_all_dim to GGUF is not implemented");
        }
        metadata.put(prefix + "rope.scaling.original_context_length", (int) number("original_max_position_embeddings"));
        optional("attention_factor", prefix + "rope.scaling.yarn_attn_factor", metadata);
        optional("beta_fast", prefix + "rope.scaling.yarn_beta_fast", metadata);
        optional("beta_slow", prefix + "rope.scaling.yarn_beta_slow", metadata);
    }

    private void optional(String key, String name, GgufMetadata metadata) {
        if (scaling.path(key).isNumber()) {
            metadata.put(name, scaling.path(key).asDouble());
        }
    }

    private double number(String key) {
        JsonNode value = scaling.path(key);
        if (!value.isNumber()) {
            throw new UserErrorException(
                    config.origin() + ": rope_type '" + type() + "' needs a number in '" + key + "'");
        }
        return value.asDouble();
    }

    /** Llama 3's scaling as a tensor of divisors of the frequencies; empty for other types. */
    List<GgufTensor> frequencyFactors(int headDim) {
        if (!type().equals("llama3")) {
            return List.of();
        }
        double factor = number("factor");
        double low = number("low_freq_factor");
        double high = number("high_freq_factor");
        double original = number("original_max_position_embeddings");
        List<Float> factors = new ArrayList<>();
        for (int i = 0; i < headDim; i += 2) {
            double wavelength = 2 * Math.PI * Math.pow(theta, (double) i / headDim);
            double smooth = (original / wavelength - low) / (high - low);
            double divisor = smooth > 1 ? 1 : smooth < 0 ? factor : 1 / ((1 - smooth) / factor + smooth);
            factors.add((float) divisor);
        }
        float[] values = new float[factors.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = factors.get(i);
        }
        long[] shape = {values.length};
        return List.of(new GgufTensor("rope_freqs.weight", shape, () -> Tensors.of(values, shape)));
    }
}
