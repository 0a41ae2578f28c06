package org.finetune4j.generate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions.EarlyStopping;
import org.finetune4j.model.CausalLM;

/**
 * What a model's {@code generation_config.json} says about generating, for options that the caller left open. As in
 * transformers, {@code do_sample: true} without {@code top_k} means 50, and temperature and the like say nothing where
 * {@code do_sample} is not true. A key that asks for something not implemented is refused by name.
 */
final class GenerationConfigFile {

    static final String NAME = "generation_config.json";

    private static final int TOP_K_OF_TRANSFORMERS = 50;

    /** What is not implemented, with the values that ask for nothing. */
    private static final Map<String, Set<String>> NEUTRAL = Map.ofEntries(
            Map.entry("min_length", Set.of("0")),
            Map.entry("bad_words_ids", Set.of()),
            Map.entry("force_words_ids", Set.of()),
            Map.entry("constraints", Set.of()),
            Map.entry("suppress_tokens", Set.of("[]")),
            Map.entry("begin_suppress_tokens", Set.of("[]")),
            Map.entry("forced_bos_token_id", Set.of()),
            Map.entry("forced_eos_token_id", Set.of()),
            Map.entry("sequence_bias", Set.of()),
            Map.entry("penalty_alpha", Set.of("0", "0.0")),
            Map.entry("epsilon_cutoff", Set.of("0", "0.0")),
            Map.entry("eta_cutoff", Set.of("0", "0.0")),
            Map.entry("exponential_decay_length_penalty", Set.of()),
            Map.entry("encoder_repetition_penalty", Set.of("1", "1.0")),
            Map.entry("encoder_no_repeat_ngram_size", Set.of("0")),
            Map.entry("guidance_scale", Set.of("1", "1.0")),
            Map.entry("num_beam_groups", Set.of("1")),
            Map.entry("diversity_penalty", Set.of("0", "0.0")),
            Map.entry("dola_layers", Set.of()),
            Map.entry("top_h", Set.of()),
            Map.entry("watermarking_config", Set.of()),
            Map.entry("max_time", Set.of()),
            Map.entry("token_healing", Set.of("false")),
            Map.entry("assistant_ensemble_weight", Set.of()),
            Map.entry("renormalize_logits", Set.of("false")));

    private final CausalLM model;
    private final String origin;
    private final JsonNode root;

    private GenerationConfigFile(CausalLM model, String origin, JsonNode root) {
        this.model = model;
        this.origin = origin;
        this.root = root;
    }

    /** Reads the file of a model's directory; where there is none, old models say it in config.json. */
    static GenerationConfigFile of(CausalLM model) {
        Path directory = model.directory();
        if (directory == null) {
            return new GenerationConfigFile(model, NAME, MissingNode.getInstance());
        }
        Path file = directory.resolve(NAME);
        if (Files.exists(file)) {
            return new GenerationConfigFile(model, file.toString(), read(file));
        }
        Path config = directory.resolve("config.json");
        JsonNode root = Files.exists(config) ? read(config) : MissingNode.getInstance();
        if (root instanceof ObjectNode object) {
            object.remove("max_length"); // Old files hold the default of transformers, 20, which nobody chose.
        }
        return new GenerationConfigFile(model, config.toString(), root);
    }

    private static JsonNode read(Path file) {
        return InputFiles.jsonObject(file);
    }

    /**
     * The options with what they leave open filled in.
     *
     * @throws UserErrorException when a key of the file has a value that cannot be used
     */
    GenerationOptions complete(GenerationOptions options) {
        refuseUnknown(options);
        if (root.path("cache_implementation").asText().equals("quantized")) {
            throw new UserErrorException(origin + ": 'cache_implementation': a quantized cache is not implemented");
        }
        GenerationOptions.Builder builder = options.toBuilder();
        Set<String> explicit = options.explicit();
        whole("max_new_tokens", explicit, value -> builder.maxNewTokens(value.asInt()));
        whole("min_new_tokens", explicit, value -> builder.minNewTokens(value.asInt()));
        number("repetition_penalty", explicit, value -> builder.repetitionPenalty(value.asDouble()));
        whole("no_repeat_ngram_size", explicit, value -> builder.noRepeatNgramSize(value.asInt()));
        whole("num_beams", explicit, value -> builder.numBeams(value.asInt()));
        whole("num_return_sequences", explicit, value -> builder.numReturnSequences(value.asInt()));
        number("length_penalty", explicit, value -> builder.lengthPenalty(value.asDouble()));
        earlyStopping(explicit, builder);
        stopStrings(explicit, builder);
        sampling(explicit, builder);
        if (options.stopTokens() == null) {
            builder.stopTokens(stopTokens());
        }
        try {
            return builder.build();
        } catch (IllegalArgumentException e) {
            throw new UserErrorException(origin + ": " + e.getMessage(), e);
        }
    }

    private void sampling(Set<String> explicit, GenerationOptions.Builder builder) {
        JsonNode sample = root.path("do_sample");
        if (!sample.isBoolean() && !sample.isMissingNode() && !sample.isNull()) {
            throw invalid("do_sample", "true or false");
        }
        boolean asked = sample.asBoolean(false);
        if (!explicit.contains("temperature") && asked) {
            builder.temperature(1);
            number("temperature", explicit, value -> builder.temperature(value.asDouble()));
        }
        if (!explicit.contains("top_k") && asked) {
            builder.topK(TOP_K_OF_TRANSFORMERS);
        }
        whole("top_k", explicit, value -> builder.topK(value.asInt()));
        number("top_p", explicit, value -> builder.topP(value.asDouble()));
        number("min_p", explicit, value -> builder.minP(value.asDouble()));
        number("typical_p", explicit, value -> builder.typicalP(value.asDouble()));
    }

    private void earlyStopping(Set<String> explicit, GenerationOptions.Builder builder) {
        JsonNode value = root.path("early_stopping");
        if (explicit.contains("early_stopping") || value.isMissingNode() || value.isNull()) {
            return;
        }
        if (value.isBoolean()) {
            builder.earlyStopping(value.asBoolean() ? EarlyStopping.FIRST : EarlyStopping.HEURISTIC);
        } else if (value.asText().equals("never")) {
            builder.earlyStopping(EarlyStopping.NEVER);
        } else {
            throw invalid("early_stopping", "true, false or \"never\"");
        }
    }

    private void stopStrings(Set<String> explicit, GenerationOptions.Builder builder) {
        JsonNode value = root.path("stop_strings");
        if (explicit.contains("stop_strings") || value.isMissingNode() || value.isNull()) {
            return;
        }
        List<String> texts = new ArrayList<>();
        for (JsonNode text : value.isArray() ? value : List.of(value)) {
            if (!text.isTextual()) {
                throw invalid("stop_strings", "a text or a list of texts");
            }
            texts.add(text.textValue());
        }
        builder.stopStrings(texts);
    }

    private void number(String key, Set<String> explicit, Consumer<JsonNode> sink) {
        JsonNode value = root.path(key);
        if (explicit.contains(key) || value.isMissingNode() || value.isNull()) {
            return;
        }
        if (!value.isNumber()) {
            throw invalid(key, "a number");
        }
        sink.accept(value);
    }

    private void whole(String key, Set<String> explicit, Consumer<JsonNode> sink) {
        number(key, explicit, value -> {
            if (!value.canConvertToInt() || value.asDouble() != value.asInt()) {
                throw invalid(key, "a whole number");
            }
            sink.accept(value);
        });
    }

    /** The limit on prompt and new tokens together ({@code max_length}), or the largest number where there is none. */
    int maxLength() {
        JsonNode value = root.path("max_length");
        return value.isInt() ? value.asInt() : Integer.MAX_VALUE;
    }

    /**
     * The tokens that end a text: {@code eos_token_id} of this file, else of {@code config.json}, each one id or a list;
     * else the tokenizer's end-of-sequence token. An adapter that was trained with a tokenizer of its own ends its texts with
     * that one's token, and an answer ends where its chat template says, as in llama.cpp.
     */
    Set<Integer> stopTokens() {
        Set<Integer> stops = new LinkedHashSet<>();
        addAll(stops, origin, root.path("eos_token_id"));
        if (stops.isEmpty()) {
            addAll(stops, model.config().origin(), model.config().node("eos_token_id"));
        }
        if (stops.isEmpty() && model.hasTokenizer()) {
            model.tokenizer().eosTokenId().ifPresent(stops::add);
        }
        model.adaptedEosTokenId().ifPresent(stops::add);
        model.answerEndTokenId().ifPresent(stops::add);
        return stops;
    }

    /** One id or a list; what the model has no word for, such as -1 for "none", never comes and ends nothing. */
    private void addAll(Set<Integer> stops, String where, JsonNode node) {
        for (JsonNode id : node.isArray() ? node : List.of(node)) {
            if (!id.isInt() && !id.isMissingNode() && !id.isNull()) {
                throw new UserErrorException(where + ": 'eos_token_id' is " + node + ", expected ids of tokens");
            }
            if (id.isInt()
                    && id.asInt() >= 0
                    && id.asInt() < model.network().inputEmbedding().count()) {
                stops.add(id.asInt());
            }
        }
    }

    private void refuseUnknown(GenerationOptions options) {
        NEUTRAL.forEach((key, neutral) -> {
            JsonNode value = root.path(key);
            boolean asks = !value.isMissingNode() && !value.isNull() && !neutral.contains(value.toString());
            if (asks && !options.explicit().contains(key)) {
                throw new UserErrorException(origin + ": '" + key + "': " + value + " is not implemented");
            }
        });
    }

    private UserErrorException invalid(String key, String expected) {
        return new UserErrorException(origin + ": '" + key + "' is " + root.path(key) + ", expected " + expected);
    }
}
