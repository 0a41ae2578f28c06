package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.ConversationForm;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.model.chat.ToolCalls;
import org.jspecify.annotations.Nullable;

/** Reads the bodies of requests for answers, and checks all that can be checked before they wait for their turn. */
final class RequestReader {

    /** OpenAI's own, where a text to continue says nothing. */
    private static final int USUAL_TOKENS = 16;

    private static final int MOST_LOGPROBS = 20;

    /** No vocabulary has tokens that are longer on average: a text with more characters a token cannot fit. */
    private static final int LONGEST_TOKEN = 64;

    private final ServedModel served;
    private final ServerLimits limits;
    private final ResponseFormats formats = new ResponseFormats();

    RequestReader(ServedModel served, ServerLimits limits) {
        this.served = served;
        this.limits = limits;
    }

    /** A body of {@code /v1/completions}. */
    AnswerRequest completion(RequestFields fields, String model) {
        SamplingFields.refuseOthers(fields);
        fields.refuse("add_special_tokens", value -> value.isBoolean() && value.booleanValue());
        Integer bestOf = fields.whole("best_of", 1, Integer.MAX_VALUE);
        int choices = orElse(fields.whole("n", 1, limits.maxChoices()), 1);
        if (bestOf != null && bestOf != choices) {
            throw ApiException.unsupported("best_of", "'best_of' is not implemented: leave it out");
        }
        Integer logprobs = completionLogprobs(fields);
        List<int[]> prompts = prompts(fields.node("prompt"));
        if ((long) prompts.size() * choices > limits.maxChoices()) {
            throw ApiException.invalid(
                    "prompt",
                    prompts.size() + " prompts with " + choices + " answers each: one request may ask for "
                            + limits.maxChoices() + " answers");
        }
        int tokens = orElse(fields.whole("max_tokens", 1, Integer.MAX_VALUE), -1);
        GenerationOptions options = SamplingFields.options(
                fields,
                choices,
                maxTokens(tokens < 0 ? USUAL_TOKENS : tokens, tokens >= 0, longest(prompts), "prompt"),
                logprobs == null ? -1 : logprobs,
                served.stopTokens(),
                List.of(),
                formats.of(fields));
        return request(fields, model, prompts, options, new TextForm(served.tokens()));
    }

    private static @Nullable Integer completionLogprobs(RequestFields fields) {
        JsonNode value = fields.node("logprobs");
        if (value.isBoolean()) {
            return value.booleanValue() ? 0 : null;
        }
        return fields.whole("logprobs", 0, MOST_LOGPROBS);
    }

    /** A body of {@code /v1/chat/completions}. */
    AnswerRequest chat(RequestFields fields, String model, Optional<ChatTemplate> ofAdapter) {
        SamplingFields.refuseOthers(fields);
        ConversationForm form = served.form(ofAdapter);
        int choices = orElse(fields.whole("n", 1, limits.maxChoices()), 1);
        boolean logprobs = fields.flag("logprobs");
        Integer top = fields.whole("top_logprobs", 0, MOST_LOGPROBS);
        if (top != null && !logprobs) {
            throw ApiException.invalid("top_logprobs", "'top_logprobs' needs 'logprobs': true");
        }
        fields.refuse("add_special_tokens", value -> value.isBoolean() && !value.booleanValue());
        ToolFields tools = ToolFields.of(fields);
        if (!tools.isEmpty() && !form.template().source().contains("tool")) {
            throw ApiException.unsupported("tools", "the model's chat template knows no 'tools': leave them out");
        }
        String text = render(fields, form.template(), tools.shown());
        int[] prompt = encode(text, false, "messages");
        Integer newer = fields.whole("max_completion_tokens", 1, Integer.MAX_VALUE);
        Integer older = fields.whole("max_tokens", 1, Integer.MAX_VALUE); // wrong is wrong, though the newer one counts
        Integer asked = newer == null ? older : newer;
        ToolCalls calls = tools.isEmpty()
                ? null
                : ToolCalls.of(form.template(), tools.parameters().keySet());
        GenerationOptions options = SamplingFields.options(
                fields,
                choices,
                maxTokens(asked == null ? Integer.MAX_VALUE : asked, asked != null, prompt.length, "messages"),
                logprobs ? orElse(top, 0) : -1,
                form.stopTokens(),
                form.stopStrings(),
                tools.grammar(calls, formats.of(fields), formats.kept()));
        ChatForm answers = new ChatForm(served.tokens(), calls, tools.most());
        return request(fields, model, List.of(prompt), options, answers);
    }

    private String render(RequestFields fields, ChatTemplate template, List<Map<String, @Nullable Object>> tools) {
        ChatOptions options = ChatOptions.generation().withTools(tools.isEmpty() ? null : tools);
        RequestFields variables = fields.object("chat_template_kwargs");
        if (variables != null) {
            for (String given : List.of("messages", "tools")) {
                if (variables.has(given)) {
                    throw ApiException.invalid(
                            "chat_template_kwargs",
                            "'chat_template_kwargs' has '" + given + "', which is a field of its own");
                }
            }
            for (Map.Entry<String, @Nullable Object> variable :
                    variables.asMap().entrySet()) {
                options = options.with(variable.getKey(), variable.getValue());
            }
        }
        try {
            return template.render(ChatMessages.of(fields), options);
        } catch (UserErrorException e) {
            String file = template.name(); // where it lies on this machine is nobody's affair
            String reason = String.valueOf(e.getMessage()).replace(file, file.substring(file.lastIndexOf('/') + 1));
            throw ApiException.invalid("messages", "the chat template refuses this: " + reason);
        }
    }

    private AnswerRequest request(
            RequestFields fields, String model, List<int[]> prompts, GenerationOptions options, AnswerForm form) {
        boolean stream = fields.flag("stream");
        RequestFields streamOptions = fields.object("stream_options");
        if (streamOptions != null && !stream) {
            throw ApiException.invalid("stream_options", "'stream_options' needs 'stream': true");
        }
        boolean usage = streamOptions != null && streamOptions.flag("include_usage");
        return new AnswerRequest(model, prompts, options, stream, usage, form);
    }

    /** A text, a list of texts, a list of ids, or a list of lists of ids. */
    private List<int[]> prompts(JsonNode node) {
        if (node.isMissingNode()) {
            throw ApiException.invalid("prompt", "missing_required_parameter", "'prompt' is missing");
        }
        if (node.isTextual()) {
            return List.of(encode(node.textValue(), true, "prompt"));
        }
        if (!node.isArray() || node.isEmpty()) {
            throw notAPrompt();
        }
        if (node.get(0).isNumber()) {
            return List.of(ids(node));
        }
        if (node.size() > limits.maxChoices()) {
            throw ApiException.invalid(
                    "prompt", node.size() + " prompts: one request may ask for " + limits.maxChoices() + " answers");
        }
        List<int[]> prompts = new ArrayList<>();
        for (JsonNode each : node) {
            if (each.isTextual()) {
                prompts.add(encode(each.textValue(), true, "prompt"));
            } else if (each.isArray()) {
                prompts.add(ids(each));
            } else {
                throw notAPrompt();
            }
        }
        return prompts;
    }

    private static ApiException notAPrompt() {
        return ApiException.invalid("prompt", "'prompt' must be a text, texts, ids of tokens, or lists of them");
    }

    private int[] ids(JsonNode node) {
        requireFits(node.size(), "prompt");
        int[] ids = new int[node.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = node.get(i);
            if (!id.isInt() || id.intValue() < 0 || id.intValue() >= served.vocabulary()) {
                throw ApiException.invalid(
                        "prompt",
                        "'prompt' has " + Reasons.excerpt(id.toString()) + ", expected ids of tokens below "
                                + served.vocabulary());
            }
            ids[i] = id.intValue();
        }
        return requireSome(ids, "prompt");
    }

    private int[] encode(String text, boolean addSpecialTokens, String param) {
        if (text.length() > (long) LONGEST_TOKEN * served.positions()) {
            throw tooLong(param, "a text of " + text.length() + " characters");
        }
        int[] ids;
        try {
            ids = served.model().tokenizer().encode(text, addSpecialTokens);
        } catch (UserErrorException e) {
            throw ApiException.invalid(param, String.valueOf(e.getMessage()));
        }
        requireFits(ids.length, param);
        return requireSome(ids, param);
    }

    private static int[] requireSome(int[] ids, String param) {
        if (ids.length == 0) {
            throw ApiException.invalid(param, "'" + param + "' is empty: an answer needs at least one token before it");
        }
        return ids;
    }

    private void requireFits(int tokens, String param) {
        if (tokens > served.positions()) {
            throw tooLong(param, tokens + " tokens");
        }
    }

    private ApiException tooLong(String param, String what) {
        return ApiException.invalid(
                param,
                "context_length_exceeded",
                what + ": the model's context has " + served.positions() + " tokens, prompt and answer together");
    }

    private static int longest(List<int[]> prompts) {
        return prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
    }

    /** How many tokens an answer may have; what was asked for and has no room is refused. */
    private int maxTokens(int wanted, boolean asked, int promptTokens, String param) {
        int room = served.positions() - promptTokens;
        if (room < 1 || (asked && wanted > room)) {
            throw tooLong(param, promptTokens + " tokens of the prompt" + (asked ? " and " + wanted + " more" : ""));
        }
        if (asked && wanted > limits.maxTokens()) {
            throw ApiException.invalid(
                    "max_tokens", wanted + " tokens: an answer may have " + limits.maxTokens() + " here");
        }
        return Math.min(Math.min(wanted, room), limits.maxTokens());
    }

    private static int orElse(@Nullable Integer value, int otherwise) {
        return value == null ? otherwise : value;
    }
}
