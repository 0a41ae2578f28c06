package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.finetune4j.generate.grammar.KeptGrammars;
import org.finetune4j.model.chat.ToolCalls;
import org.jspecify.annotations.Nullable;

/**
 * The tools of a request, OpenAI's {@code tools}, {@code tool_choice} and {@code parallel_tool_calls}.
 *
 * @param shown what the template is given
 * @param parameters JSON schemas of what they are called with, by their names
 * @param callable the names of those that have to be called, one at least; empty where none has to
 * @param most how many calls an answer has at most
 */
record ToolFields(
        List<Map<String, @Nullable Object>> shown, Map<String, JsonNode> parameters, Set<String> callable, int most) {

    private static final String CHOICE = "tool_choice";

    static ToolFields of(RequestFields fields) {
        List<Map<String, @Nullable Object>> shown = new ArrayList<>();
        Map<String, JsonNode> parameters = new LinkedHashMap<>();
        JsonNode tools = fields.node("tools");
        if (!tools.isMissingNode() && !tools.isArray()) {
            throw fields.wrong("tools", "a list");
        }
        for (JsonNode tool : tools) {
            JsonNode function = tool.path("function");
            boolean right = tool instanceof ObjectNode
                    && tool.path("type").asText("function").equals("function")
                    && function.path("name").isTextual();
            if (!right) {
                throw fields.wrong("tools", "functions: {\"type\": \"function\", \"function\": {\"name\": ...}}");
            }
            requireStrict(function);
            shown.add(RequestFields.of((ObjectNode) tool).asMap());
            parameters.put(function.path("name").textValue(), function.path("parameters"));
        }
        JsonNode choice = fields.node(CHOICE);
        boolean single = fields.has("parallel_tool_calls") && !fields.flag("parallel_tool_calls");
        int most = single ? 1 : Integer.MAX_VALUE;
        if (choice.isMissingNode() || choice.asText().equals("auto")) {
            return new ToolFields(shown, parameters, Set.of(), most);
        }
        if (choice.asText().equals("none")) {
            return new ToolFields(List.of(), Map.of(), Set.of(), most);
        }
        if (parameters.isEmpty()) {
            throw ApiException.invalid(CHOICE, "'tool_choice' needs 'tools' to choose from");
        }
        return choice.asText().equals("required")
                ? new ToolFields(shown, parameters, parameters.keySet(), most)
                : new ToolFields(shown, parameters, Set.of(named(choice, parameters.keySet())), 1);
    }

    /** A tool that asks for what is not done is refused; others take any object where their schema says more. */
    private static void requireStrict(JsonNode function) {
        if (function.path("strict").asBoolean(false)) {
            try {
                AnswerGrammar.jsonSchema(function.path("parameters"));
            } catch (UserErrorException e) {
                throw ApiException.invalid(
                        "tools",
                        "'strict' for " + Reasons.excerpt(function.path("name").asText()) + ": " + e.getMessage());
            }
        }
    }

    private static String named(JsonNode choice, Set<String> names) {
        JsonNode name = choice.path("function").path("name");
        if (!choice.path("type").asText().equals("function") || !name.isTextual()) {
            throw ApiException.invalid(
                    CHOICE,
                    "'tool_choice' is " + Reasons.excerpt(choice.toString())
                            + ", expected \"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\":"
                            + " ...}}");
        }
        if (!names.contains(name.textValue())) {
            throw ApiException.invalid(
                    CHOICE,
                    "'tool_choice' names " + Reasons.excerpt(name.textValue()) + ", which is none of the tools"
                            + Suggestions.didYouMean(name.textValue(), names));
        }
        return name.textValue();
    }

    boolean isEmpty() {
        return shown.isEmpty();
    }

    /**
     * What the answer has to look like.
     *
     * @param form how the model writes calls, or null where that is not known
     * @param format of an answer that is no call, or null for any
     * @param kept grammars of earlier requests
     * @return null for anything
     */
    @Nullable
    AnswerGrammar grammar(@Nullable ToolCalls form, @Nullable AnswerGrammar format, KeptGrammars kept) {
        boolean required = !callable.isEmpty();
        if (isEmpty() || (!required && format == null)) {
            return format;
        }
        if (form == null) {
            throw ApiException.unsupported(
                    required ? CHOICE : "response_format",
                    "the model's chat template does not tell how calls are written, which "
                            + (required ? "'tool_choice'" : "'response_format' with 'tools'") + " needs");
        }
        Map<String, JsonNode> called = new LinkedHashMap<>(parameters);
        if (required) {
            called.keySet().retainAll(callable);
        }
        List<Object> key = new ArrayList<>(List.of(form.isMarked(), most, Json.write(called)));
        if (required || format == null) {
            return kept.of(key, () -> AnswerGrammar.toolCalls(form, called, most));
        }
        key.add(format);
        return kept.of(key, () -> format.or(AnswerGrammar.toolCalls(form, called, most)));
    }
}
