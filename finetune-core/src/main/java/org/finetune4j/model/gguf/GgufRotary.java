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

    private static final String PARTIAL = "partial_rotary_factor";
    private static final String ORIGINAL = "original_max_position_embeddings";

    private final ModelConfig config;
    private final JsonNode scaling;
    private final double theta;

    private GgufRotary(ModelConfig config, JsonNode scaling, double theta) {
        this.config = config;
        this.scaling = scaling;
        this.theta = scaling.path("rope_theta").asDouble(theta);
    }

    static GgufRotary of(ModelConfig config, double defaultTheta) {
        return of(config, "rope_theta", defaultTheta);
    }

    /** The same, with the name that {@code rope_theta} had in transformers 4. */
    static GgufRotary of(ModelConfig config, String thetaKey, double defaultTheta) {
        JsonNode parameters = config.node("rope_parameters");
        JsonNode scaling = parameters.isObject() ? parameters : config.node("rope_scaling");
        JsonNode full = scaling.path("full_attention");
        return new GgufRotary(config, full.isObject() ? full : scaling, config.number(thetaKey, defaultTheta));
    }

    double theta() {
        return theta;
    }

    private String type() {
        String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
        return type.equals("su") ? "longrope" : type; // the name in the first release of Phi-3
    }

    /**
     * Writes down the base and the scaling.
     *
     * @param factors the types of scaling besides default, linear and yarn for which the architecture has tensors
     * @throws UserErrorException when llama.cpp has no such scaling
     */
    void describe(String prefix, GgufMetadata metadata, String... factors) {
        String type = type();
        if (!Set.of("default", "linear", "yarn").contains(type)
                && !List.of(factors).contains(type)) {
            throw new UserErrorException(config.origin() + ": export of rope_type '" + type
                    + "' to GGUF is not implemented for " + config.architecture());
        }
        metadata.put(prefix + "rope.freq_base", theta);
        if (type.equals("linear") || type.equals("yarn")) {
            metadata.put(prefix + "rope.scaling.type", type).put(prefix + "rope.scaling.factor", factor());
        }
        if (type.equals("yarn")) {
            describeYarn(prefix, metadata);
        } else if (type.equals("longrope")) {
            describeLongRope(prefix, metadata);
        }
    }

    private void describeYarn(String prefix, GgufMetadata metadata) {
        if (!scaling.path("truncate").asBoolean(true) || scaling.has("mscale") || scaling.has("mscale_all_dim")) {
            throw new UserErrorException(
                    config.origin()
                            + ": export of rope_type 'yarn' with truncate, mscale or mscale_all_dim to GGUF is not implemented");
        }
        metadata.put(prefix + "rope.scaling.original_context_length", (int) original());
        if (scaling.path("attention_factor").isNumber()) {
            // llama.cpp multiplies what it calculates itself.
            double own = 0.1 * Math.log(Math.max(1, factor())) + 1;
            metadata.put(prefix + "rope.scaling.attn_factor", number("attention_factor") / own);
        }
        optional("beta_fast", prefix + "rope.scaling.yarn_beta_fast", metadata);
        optional("beta_slow", prefix + "rope.scaling.yarn_beta_slow", metadata);
    }

    /** llama.cpp calculates no attention factor for the divisors of {@link #frequencyFactors}. */
    private void describeLongRope(String prefix, GgufMetadata metadata) {
        double factor = factor();
        double attention = scaling.path("attention_factor").isNumber()
                ? number("attention_factor")
                : factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original()));
        metadata.put(prefix + "rope.scaling.original_context_length", (int) original())
                .put(prefix + "rope.scaling.attn_factor", attention);
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

    /** Beside the scaling, as Phi-3 has it, or in it; else the model's own length. */
    private double original() {
        if (config.has(ORIGINAL)) {
            return config.positive(ORIGINAL);
        }
        return scaling.path(ORIGINAL).isNumber() ? number(ORIGINAL) : positions();
    }

    private double positions() {
        return config.positive("max_position_embeddings", 2048);
    }

    /** What is said, or how many times longer than the original context the model's is. */
    private double factor() {
        return scaling.hasNonNull("factor") || type().equals("linear") ? number("factor") : positions() / original();
    }

    /**
     * How many elements of a head are rotated.
     *
     * @param shareKey the name that {@code partial_rotary_factor} had in transformers 4
     * @param share of a head where no key gives it
     */
    int rotated(int headDim, String shareKey, double share) {
        double stated = scaling.path(PARTIAL).asDouble(config.number(shareKey, share));
        int rotated = (int) (headDim * stated);
        if (rotated <= 0 || rotated > headDim || rotated % 2 != 0) {
            throw new UserErrorException(config.origin() + ": '" + shareKey + "' is " + stated
                    + ", expected a share that makes an even number of the " + headDim + " elements of a head");
        }
        return rotated;
    }

    /** Scalings that llama.cpp has as tensors of divisors of the frequencies; none for other types. */
    List<GgufTensor> frequencyFactors(int rotated) {
        return switch (type()) {
            case "llama3" -> List.of(tensor("rope_freqs.weight", llama3(rotated)));
            case "longrope" ->
                List.of(
                        tensor("rope_factors_long.weight", listed("long_factor", rotated / 2)),
                        tensor("rope_factors_short.weight", listed("short_factor", rotated / 2)));
            default -> List.of();
        };
    }

    private static GgufTensor tensor(String name, List<Float> factors) {
        float[] values = new float[factors.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = factors.get(i);
        }
        long[] shape = {values.length};
        return new GgufTensor(name, shape, () -> Tensors.of(values, shape));
    }

    private List<Float> llama3(int rotated) {
        double factor = number("factor");
        double low = number("low_freq_factor");
        double high = number("high_freq_factor");
        double original = original();
        List<Float> factors = new ArrayList<>();
        for (int i = 0; i < rotated; i += 2) {
            double wavelength = 2 * Math.PI * Math.pow(theta, (double) i / rotated);
            double smooth = (original / wavelength - low) / (high - low);
            double divisor = smooth > 1 ? 1 : smooth < 0 ? factor : 1 / ((1 - smooth) / factor + smooth);
            factors.add((float) divisor);
        }
        return factors;
    }

    private List<Float> listed(String key, int count) {
        JsonNode values = scaling.path(key);
        if (!values.isArray() || values.size() != count) {
            throw new UserErrorException(
                    config.origin() + ": rope_type '" + type() + "' needs " + count + " numbers in '" + key + "'");
        }
        List<Float> factors = new ArrayList<>();
        values.forEach(value -> factors.add((float) value.asDouble()));
        return factors;
    }
}
