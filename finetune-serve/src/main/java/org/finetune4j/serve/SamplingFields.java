package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.jspecify.annotations.Nullable;

/**
 * How to answer, as both forms of requests say it: OpenAI's names, and those of other servers' names that this one does. What is not
 * given is as OpenAI has it (temperature 1, top_p 1), then as the model's generation_config.json says.
 */
final class SamplingFields {

    /** OpenAI's is 4. */
    private static final int MOST_STOPS = 16;

    /** Asked for by other servers' clients: what changes the answer, and is not done. */
    private static final List<String> OTHERS = List.of(
            "grammar",
            "guided_json",
            "guided_regex",
            "guided_choice",
            "guided_grammar",
            "structured_outputs",
            "json_schema",
            "logits_processors",
            "bad_words",
            "allowed_token_ids",
            "prompt_logprobs",
            "stop_token_ids",
            "truncate_prompt_tokens",
            "documents",
            "max_new_tokens",
            "eos_token_id",
            "reasoning_effort",
            "verbosity",
            "web_search_options",
            "audio",
            "functions",
            "function_call",
            "chat_template",
            "length_penalty",
            "typical_p",
            "mirostat",
            "dynatemp_range",
            "xtc_probability",
            "dry_multiplier");

    private SamplingFields() {}

    /** What is refused in both forms. */
    static void refuseOthers(RequestFields fields) {
        fields.refuse("logit_bias", value -> value.isContainerNode() && value.isEmpty());
        fields.refuse("presence_penalty", SamplingFields::isZero);
        fields.refuse("frequency_penalty", SamplingFields::isZero);
        fields.refuse("use_beam_search", SamplingFields::isFalse);
        fields.refuse("num_beams", value -> value.isNumber() && value.doubleValue() == 1);
        fields.refuse("no_repeat_ngram_size", SamplingFields::isZero);
        fields.refuse("include_stop_str_in_output", SamplingFields::isFalse);
        fields.refuse("skip_special_tokens", value -> value.isBoolean() && value.booleanValue());
        fields.refuse("echo", SamplingFields::isFalse);
        fields.refuse("suffix", value -> value.isTextual() && value.textValue().isEmpty());
        fields.refuse("continue_final_message", SamplingFields::isFalse);
        fields.refuse("add_generation_prompt", value -> value.isBoolean() && value.booleanValue());
        fields.refuse("modalities", value -> value.isArray() && value.size() == 1 && isText(value.get(0)));
        OTHERS.forEach(key -> fields.refuse(key, value -> false));
    }

    private static boolean isZero(JsonNode value) {
        return value.isNumber() && value.doubleValue() == 0;
    }

    private static boolean isFalse(JsonNode value) {
        return value.isBoolean() && !value.booleanValue();
    }

    private static boolean isText(JsonNode value) {
        return value.isTextual() && value.textValue().equals("text");
    }

    /**
     * Reads how to answer.
     *
     * @param logprobs how many of the likeliest tokens to report, -1 for no report
     * @param stopTokens what ends an answer
     * @param stops texts that end it besides those of the request
     * @param grammar what it has to look like, or null
     */
    static GenerationOptions options(
            RequestFields fields,
            int choices,
            @Nullable Integer maxTokens,
            int logprobs,
            Set<Integer> stopTokens,
            List<String> stops,
            @Nullable AnswerGrammar grammar) {
        GenerationOptions.Builder builder = GenerationOptions.builder()
                .numBeams(1)
                .numReturnSequences(choices)
                .temperature(orElse(fields.number("temperature", 0, 100), 1))
                .topP(topP(fields));
        given(fields.whole("top_k", -1, Integer.MAX_VALUE), value -> builder.topK(Math.max(0, value)));
        given(fields.number("min_p", 0, 1), builder::minP);
        given(fields.number("repetition_penalty", 1e-3, 1e3), builder::repetitionPenalty);
        given(fields.whole("min_tokens", 0, maxTokens == null ? Integer.MAX_VALUE : maxTokens), builder::minNewTokens);
        given(maxTokens, builder::maxNewTokens);
        Long seed = fields.seed("seed");
        builder.seed(seed == null ? ThreadLocalRandom.current().nextLong() : seed);
        List<String> own = fields.texts("stop", MOST_STOPS);
        if (!own.isEmpty() || !stops.isEmpty()) {
            List<String> all = new ArrayList<>(own);
            all.addAll(stops);
            builder.stopStrings(all);
        }
        builder.stopTokens(fields.flag("ignore_eos") ? Set.of() : stopTokens);
        if (logprobs >= 0) {
            builder.logprobs(logprobs);
        }
        given(grammar, builder::grammar);
        return builder.build();
    }

    private static double topP(RequestFields fields) {
        double value = orElse(fields.number("top_p", 0, 1), 1);
        return value == 0 ? Double.MIN_NORMAL : value; // the likeliest alone, as others have it
    }

    private static double orElse(@Nullable Double value, double otherwise) {
        return value == null ? otherwise : value;
    }

    private static <T> void given(@Nullable T value, Consumer<T> sink) {
        if (value != null) {
            sink.accept(value);
        }
    }
}
