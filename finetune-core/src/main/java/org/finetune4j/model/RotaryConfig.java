package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.DynamicNtk;
import org.finetune4j.nn.LongRope;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.RotaryFrequencies;

/**
 * Reads the rotary embedding of a configuration: {@code rope_parameters} as transformers 5 writes it, {@code rope_theta}
 * and {@code rope_scaling} as transformers 4 did. A setting that no type of scaling knows is refused by name.
 */
public final class RotaryConfig {

    private static final double DEFAULT_THETA = 10_000;

    /** The share of a head that is rotated. */
    private static final String PARTIAL = "partial_rotary_factor";

    /** What the base is raised by, in scalings of HunYuan. */
    private static final String ALPHA = "alpha";

    /** What every type may say. */
    private static final Set<String> COMMON = Set.of("rope_theta", "rope_type", "type", PARTIAL);

    /** What each type may say besides. */
    private static final Map<String, Set<String>> SETTINGS = Map.of(
            "default", Set.of(),
            "linear", Set.of("factor", "original_max_position_embeddings"),
            "dynamic", Set.of("factor", "original_max_position_embeddings"),
            "llama3", Set.of("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
            "yarn",
                    Set.of(
                            "factor",
                            "original_max_position_embeddings",
                            "attention_factor",
                            "beta_fast",
                            "beta_slow",
                            "mscale",
                            "mscale_all_dim",
                            "truncate"),
            "longrope",
                    Set.of(
                            "factor",
                            "original_max_position_embeddings",
                            "attention_factor",
                            "long_factor",
                            "short_factor"));

    private final ModelConfig config;
    private final String where;
    private final JsonNode scaling;
    private final double theta;
    private final int rotaryDim;
    private final Set<String> besides;

    private RotaryConfig(ModelConfig config, String where, JsonNode scaling, double theta, int rotaryDim) {
        this(config, where, scaling, theta, rotaryDim, Set.of());
    }

    private RotaryConfig(
            ModelConfig config, String where, JsonNode scaling, double theta, int rotaryDim, Set<String> besides) {
        this.config = config;
        this.where = where;
        this.scaling = scaling;
        this.theta = theta;
        this.rotaryDim = rotaryDim;
        this.besides = besides;
    }

    /**
     * {@return the rotary embedding for heads of {@code headDim} elements, all of which are rotated}
     *
     * @param config of the model
     * @param headDim elements of a head
     */
    public static RotaryEmbedding of(ModelConfig config, int headDim) {
        return of(config, headDim, Set.of());
    }

    /**
     * The same for an architecture whose scaling has settings of its own.
     *
     * @param config of the model
     * @param headDim elements of a head
     * @param besides what the scaling may say besides; {@code alpha} among it makes {@code dynamic} a larger base that does not depend on
     *     the length
     * @return the rotary embedding
     */
    public static RotaryEmbedding of(ModelConfig config, int headDim, Set<String> besides) {
        String key = key(config);
        JsonNode scaling = config.node(key);
        refuseContradiction(config, scaling);
        double theta = number(config, scaling, "rope_theta", config.number("rope_theta", DEFAULT_THETA));
        refusePart(config, number(config, scaling, PARTIAL, config.number(PARTIAL, 1)));
        return new RotaryConfig(config, key, scaling, theta, rotaryDim(config, PARTIAL, headDim, 1), besides).read();
    }

    /**
     * The same for an architecture that rotates a part of each head only.
     *
     * @param config of the model
     * @param headDim elements of a head
     * @param thetaKey the base's key in transformers 4
     * @param partialKey the key of the share of a head that is rotated, in transformers 4
     * @param partial that share where no key gives it
     * @return the rotary embedding
     */
    public static RotaryEmbedding ofPart(
            ModelConfig config, int headDim, String thetaKey, String partialKey, double partial) {
        String key = key(config);
        JsonNode scaling = config.node(key);
        refuseContradiction(config, scaling);
        double theta = number(config, scaling, "rope_theta", config.number(thetaKey, DEFAULT_THETA));
        double share = number(config, scaling, PARTIAL, config.number(partialKey, partial));
        String shareKey = scaling.has(PARTIAL) ? PARTIAL : partialKey;
        return new RotaryConfig(config, key, scaling, theta, rotaryDim(config, shareKey, headDim, share)).read();
    }

    /**
     * Whoever adds {@code rope_scaling} to a file that has {@code rope_parameters} would lose one of them: transformers
     * takes the former and forgets the base in the latter.
     */
    private static void refuseContradiction(ModelConfig config, JsonNode parameters) {
        JsonNode scaling = config.node("rope_scaling");
        scaling.properties().forEach(field -> {
            String name = field.getKey();
            JsonNode value = field.getValue();
            JsonNode other = parameters.path(name);
            boolean same = name.endsWith("type")
                    ? type(scaling).equals(type(parameters))
                    : value.isNumber() ? value.asDouble() == other.asDouble(Double.NaN) : value.equals(other);
            if (!same && !value.isNull()) {
                throw new UserErrorException(config.origin() + ": 'rope_scaling' says '" + name + "': " + value
                        + " and 'rope_parameters' does not: write the scaling into 'rope_parameters' alone");
            }
        });
    }

    /** transformers ignores a part in most models, or fails at the first token: who asks for it means another model. */
    private static void refusePart(ModelConfig config, double share) {
        if (share != 1) {
            throw new UserErrorException(config.origin() + ": '" + PARTIAL + "': " + share
                    + " is not implemented for this architecture, which rotates whole heads");
        }
    }

    /** A number of the scaling, or {@code fallback} where the key is missing or null. */
    private static double number(ModelConfig config, JsonNode scaling, String name, double fallback) {
        JsonNode value = scaling.path(name);
        if (scaling.hasNonNull(name) && !value.isNumber()) {
            throw new UserErrorException(
                    config.origin() + ": '" + key(config) + "': '" + name + "' is " + value + ", expected a number");
        }
        return value.asDouble(fallback);
    }

    /**
     * {@return the rotary embedding of one of several kinds of layers, {@code rope_parameters.<layerType>}}
     *
     * @param config of the model
     * @param headDim elements of a head
     * @param layerType key of the kind
     * @param theta the base where {@code rope_parameters} does not give one
     * @param scaled whether {@code rope_scaling} of transformers 4 is meant for this kind
     */
    public static RotaryEmbedding ofLayerType(
            ModelConfig config, int headDim, String layerType, double theta, boolean scaled) {
        JsonNode own = config.node("rope_parameters").path(layerType);
        if (!own.isMissingNode()) {
            String where = "rope_parameters." + layerType;
            if (scaled) {
                refuseContradiction(config, own);
            }
            double ownTheta = number(config, own, "rope_theta", theta);
            refusePart(config, number(config, own, PARTIAL, 1));
            return new RotaryConfig(config, where, own, ownTheta, headDim).read();
        }
        JsonNode scaling = scaled ? config.node("rope_scaling") : MissingNode.getInstance();
        double ownTheta = number(config, scaling, "rope_theta", theta);
        return new RotaryConfig(config, "rope_scaling", scaling, ownTheta, headDim).read();
    }

    /**
     * {@return the longest sequence the model reads: {@code max_position_embeddings}, which the scalings that stretch a
     * trained model without a new configuration multiply by their factor}
     *
     * @param config of the model
     * @param fallback where the key is missing or null
     */
    public static int maxPositions(ModelConfig config, int fallback) {
        int trained = config.positive("max_position_embeddings", fallback);
        JsonNode scaling = config.node(key(config));
        double factor = scaling.path("factor").asDouble(1);
        return switch (type(scaling)) {
            case "linear", "dynamic" -> (int) (trained * factor);
            case "yarn" ->
                Math.max(trained, (int)
                        (scaling.path("original_max_position_embeddings").asDouble(trained) * factor));
            default -> trained;
        };
    }

    private static String key(ModelConfig config) {
        return config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
    }

    private static String type(JsonNode scaling) {
        String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
        return type.equals("su") ? "longrope" : type; // the name in the first release of Phi-3
    }

    private static int rotaryDim(ModelConfig config, String key, int headDim, double share) {
        if (headDim % 2 != 0) {
            throw new UserErrorException(config.origin() + ": a head has " + headDim
                    + " elements (head_dim, or hidden_size / num_attention_heads), but a rotary embedding turns pairs");
        }
        int rotated = (int) (headDim * share);
        if (rotated <= 0 || rotated > headDim || rotated % 2 != 0) {
            throw new UserErrorException(config.origin() + ": '" + key + "' is " + share
                    + ", expected a share that makes an even number of the " + headDim + " elements of a head");
        }
        return rotated;
    }

    private RotaryEmbedding read() {
        RotaryFrequencies standard = RotaryFrequencies.standard(rotaryDim, theta);
        String type = type(scaling);
        Set<String> settings = SETTINGS.get(type);
        if (settings == null) {
            throw new UserErrorException(config.origin() + ": '" + where + "': rope_type '" + type
                    + "' is not implemented"
                    + Suggestions.didYouMean(
                            type, SETTINGS.keySet().stream().sorted().toList()));
        }
        refuseOthers(type, settings);
        return switch (type) {
            case "linear" -> standard.linear(required("factor"));
            case "dynamic" ->
                besides.contains(ALPHA) && optional(ALPHA, 0) != 0
                        ? enlarged()
                        : new DynamicNtk(
                                rotaryDim, theta, required("factor"), config.positive("max_position_embeddings", 2048));
            case "llama3" ->
                standard.llama3(
                        required("factor"),
                        required("low_freq_factor"),
                        required("high_freq_factor"),
                        originalContext());
            case "yarn" -> yarn(standard);
            case "longrope" -> longRope(standard);
            default -> standard;
        };
    }

    private void refuseOthers(String type, Set<String> settings) {
        List<String> known = Stream.of(COMMON, settings, besides)
                .flatMap(Set::stream)
                .sorted()
                .collect(Collectors.toList());
        scaling.properties().forEach(field -> {
            if (!field.getValue().isNull() && !known.contains(field.getKey())) {
                throw new UserErrorException(config.origin() + ": '" + where + "': '" + field.getKey()
                        + "' is not implemented for rope_type '" + type + "'"
                        + Suggestions.didYouMean(field.getKey(), known));
            }
        });
    }

    /** The base that sequences {@code alpha} times as long need (bloc97 2023). */
    private RotaryFrequencies enlarged() {
        double base = theta * Math.pow(required(ALPHA), rotaryDim / (rotaryDim - 2.0));
        return RotaryFrequencies.standard(rotaryDim, base);
    }

    private RotaryFrequencies yarn(RotaryFrequencies standard) {
        double factor = factor();
        double fast = optional("beta_fast", 32);
        double slow = optional("beta_slow", 1);
        boolean truncate = scaling.path("truncate").asBoolean(true);
        RotaryFrequencies.Yarn settings = new RotaryFrequencies.Yarn(factor, originalContext(), fast, slow, truncate);
        return standard.yarn(settings, theta, optional("attention_factor", yarnAttentionFactor(factor)));
    }

    private double yarnAttentionFactor(double factor) {
        double scale = optional("mscale", 0);
        double scaleAllDim = optional("mscale_all_dim", 0);
        return scale != 0 && scaleAllDim != 0
                ? magnitude(factor, scale) / magnitude(factor, scaleAllDim)
                : magnitude(factor, 1);
    }

    private static double magnitude(double factor, double scale) {
        return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
    }

    private LongRope longRope(RotaryFrequencies standard) {
        double original = originalContext();
        double factor = factor();
        double attentionFactor =
                optional("attention_factor", factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
        return new LongRope(
                standard.divided(factors("short_factor"), attentionFactor),
                standard.divided(factors("long_factor"), attentionFactor),
                (int) original);
    }

    private double[] factors(String name) {
        JsonNode values = scaling.path(name);
        if (!values.isArray() || values.size() != rotaryDim / 2) {
            throw config.invalid(where, "an object with " + rotaryDim / 2 + " numbers in '" + name + "'");
        }
        double[] factors = new double[values.size()];
        for (int i = 0; i < factors.length; i++) {
            factors[i] = values.get(i).asDouble();
        }
        return factors;
    }

    /** The factor, or how many times longer than the original context the model's is. */
    private double factor() {
        return optional("factor", config.positive("max_position_embeddings", 2048) / originalContext());
    }

    /** Beside the scaling, as Phi-3 has it, or in it; the model's own length where neither gives it. */
    private double originalContext() {
        String name = "original_max_position_embeddings";
        return config.has(name)
                ? config.positive(name)
                : optional(name, config.positive("max_position_embeddings", 2048));
    }

    private double optional(String name, double fallback) {
        return scaling.hasNonNull(name) ? required(name) : fallback;
    }

    private double required(String name) {
        JsonNode value = scaling.path(name);
        if (!value.isNumber()) {
            throw config.invalid(where, "an object with the number '" + name + "'");
        }
        return value.asDouble();
    }
}
