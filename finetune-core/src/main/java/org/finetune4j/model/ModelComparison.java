package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.RotaryFrequencies;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;

/**
 * Finds what two models do differently with weights of the same names and shapes: only then do their weights mean the same
 * and can be added. Both are built, without weights, and everything that their architecture asked their configurations for
 * is compared, with its defaults filled in.
 */
public final class ModelComparison {

    /** Positions and their rotation are compared as numbers: configurations spell them in several ways. */
    private static final Set<String> ROTARY = Set.of(
            "rope_theta",
            "rope_scaling",
            "rope_parameters",
            "rope_local_base_freq",
            "rotary_emb_base",
            "rotary_pct",
            "partial_rotary_factor",
            "original_max_position_embeddings",
            "max_position_embeddings",
            "n_positions");

    /** What matters in training or in use alone, and what the names of the weights say. */
    private static final Pattern NEUTRAL = Pattern.compile(
            ".*(drop|init).*|pad_token_id|router_aux_loss_coef|output_router_logits|router_jitter_noise|"
                    + "use_cache|num_experts|num_local_experts|dtype|torch_dtype|quantization_config|id2label|num_labels|_name_or_path");

    private static final String CLASSES = "architectures";

    private static final int[] LENGTHS = {16, 100_000};

    private ModelComparison() {}

    /**
     * Refuses two models that are not of one kind.
     *
     * @param first a model directory
     * @param other another one, which messages name
     * @throws UserErrorException when something differs, with its key; or the ids of their tokenizers mean other tokens
     */
    public static void requireSame(Path first, Path other) {
        ModelConfig one = ModelConfig.load(first);
        ModelConfig two = ModelConfig.load(other);
        difference(one, two, Set.of()).ifPresent(difference -> {
            throw new UserErrorException(
                    difference + ": weights of models that calculate differently mean nothing" + " together");
        });
        Optional<Vocabulary> ids = Vocabulary.of(first);
        Optional<Vocabulary> others = Vocabulary.of(other);
        if (ids.isPresent() && others.isPresent()) {
            others.get().conflictWith(ids.get()).ifPresent(difference -> {
                throw new UserErrorException(difference + ": rows of their embeddings mean other tokens");
            });
        }
    }

    /**
     * The first thing in which two configurations differ that changes what is calculated.
     *
     * @param first a configuration
     * @param other another one, which the description names first
     * @param free keys that may differ
     * @return a description with the key and both values, or empty
     */
    public static Optional<String> difference(ModelConfig first, ModelConfig other, Set<String> free) {
        JsonNode classes = first.node(CLASSES);
        if (!classes.equals(other.node(CLASSES))) {
            return Optional.of(describe(CLASSES, first, classes, other, other.node(CLASSES)));
        }
        Facts one;
        Facts two;
        try {
            one = Facts.of(first);
            two = Facts.of(other);
        } catch (UserErrorException e) {
            // No architecture of ours: what both files say is all that is known.
            one = Facts.asWritten(first);
            two = Facts.asWritten(other);
        }
        for (Map.Entry<String, Object> entry : one.reads.entrySet()) {
            String key = entry.getKey();
            Object value = two.reads.get(key);
            boolean matters = !ROTARY.contains(key) && !NEUTRAL.matcher(key).matches() && !free.contains(key);
            if (value != null && matters && !same(entry.getValue(), value)) {
                return Optional.of(describe(key, first, entry.getValue(), other, value));
            }
        }
        if (!one.rotations.equals(two.rotations)) {
            String key = ROTARY.stream()
                    .filter(name -> !first.node(name).equals(other.node(name)))
                    .min(String::compareTo)
                    .orElse("rope_parameters");
            return Optional.of(describe(key, first, first.node(key), other, other.node(key)));
        }
        return first.has(CLASSES) ? labels(first, other) : Optional.empty();
    }

    private static Optional<String> labels(ModelConfig first, ModelConfig other) {
        JsonNode one = first.node("id2label");
        JsonNode two = other.node("id2label");
        boolean named = first.isSequenceClassifier() && one.isObject() && two.isObject();
        return named && !one.equals(two) ? Optional.of(describe("id2label", first, one, other, two)) : Optional.empty();
    }

    private static boolean same(Object a, Object b) {
        if (a instanceof Number x && b instanceof Number y) {
            return x.doubleValue() == y.doubleValue();
        }
        return a.equals(b);
    }

    private static String describe(String key, ModelConfig first, Object value, ModelConfig other, Object otherValue) {
        return other.origin() + ": '" + key + "' is " + shown(otherValue) + ", in " + first.origin() + " it is "
                + shown(value);
    }

    private static String shown(Object value) {
        boolean missing = value instanceof JsonNode node && node.isMissingNode();
        return missing ? "not there" : Reasons.excerpt(String.valueOf(value));
    }

    /**
     * What an architecture made of a configuration.
     *
     * @param reads the values that it asked for, by key
     * @param rotations the speeds of the rotary embeddings of every kind of layer, as numbers
     */
    private record Facts(Map<String, Object> reads, List<List<Double>> rotations) {

        static Facts of(ModelConfig config) {
            Map<String, Object> reads = new LinkedHashMap<>();
            ModelConfig recorded = config.withQuantization(Map.of()).recordingReads(reads);
            try (TensorScope scope = TensorScope.open();
                    DecoderModel network =
                            Architecture.of(config).build(recorded, Weights.of(new ShapesOnly(DType.BFLOAT16)))) {
                List<List<Double>> rotations = new ArrayList<>();
                for (AttentionKind kind : AttentionKind.values()) {
                    RotaryEmbedding rotary =
                            network.attentionKinds().contains(kind) ? network.rotaryEmbedding(kind) : null;
                    for (int length : LENGTHS) {
                        rotations.add(rotary == null ? List.of() : numbers(rotary.frequencies(length)));
                    }
                }
                return new Facts(reads, rotations);
            }
        }

        static Facts asWritten(ModelConfig config) {
            Map<String, Object> reads = new LinkedHashMap<>();
            config.keys().forEach(key -> reads.put(key, config.node(key)));
            List<List<Double>> rotation = ROTARY.stream()
                    .sorted()
                    .map(key -> List.of((double) config.node(key).hashCode()))
                    .toList();
            return new Facts(reads, rotation);
        }

        private static List<Double> numbers(RotaryFrequencies frequencies) {
            List<Double> numbers = new ArrayList<>();
            Arrays.stream(frequencies.values()).forEach(numbers::add);
            numbers.add(frequencies.attentionFactor());
            numbers.add(frequencies.interleaved() ? 1.0 : 0.0);
            return numbers;
        }
    }
}
