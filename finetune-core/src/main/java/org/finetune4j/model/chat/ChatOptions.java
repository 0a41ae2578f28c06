package org.finetune4j.model.chat;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a template is rendered with beside the messages.
 *
 * @param addGenerationPrompt whether the header of an answer follows, for a model to go on
 * @param continueFinalMessage whether the text ends inside the last message, for a model to go on there
 * @param tools the functions the model may call, as OpenAI's JSON, or null
 * @param variables others that the template knows, such as {@code enable_thinking}
 */
public record ChatOptions(
        boolean addGenerationPrompt,
        boolean continueFinalMessage,
        @Nullable List<? extends Object> tools,
        Map<String, @Nullable Object> variables) {

    public ChatOptions {
        variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
        if (addGenerationPrompt && continueFinalMessage) {
            throw new IllegalArgumentException("a rendering either opens an answer or continues one");
        }
    }

    /** A finished conversation. */
    public static ChatOptions none() {
        return new ChatOptions(false, false, null, Map.of());
    }

    /** A conversation that the model is to answer. */
    public static ChatOptions generation() {
        return none().withGenerationPrompt(true);
    }

    public ChatOptions withGenerationPrompt(boolean value) {
        return new ChatOptions(value, false, tools, variables);
    }

    public ChatOptions continuingFinalMessage() {
        return new ChatOptions(false, true, tools, variables);
    }

    public ChatOptions withTools(@Nullable List<? extends Object> value) {
        return new ChatOptions(addGenerationPrompt, continueFinalMessage, value, variables);
    }

    /** The same with one more variable. */
    public ChatOptions with(String name, @Nullable Object value) {
        Map<String, @Nullable Object> more = new LinkedHashMap<>(variables);
        more.put(name, value);
        return new ChatOptions(addGenerationPrompt, continueFinalMessage, tools, more);
    }
}
