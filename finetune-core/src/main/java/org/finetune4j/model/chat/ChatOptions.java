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

    /**
     * Checks that both ways to go on are not asked for at once.
     *
     * @param variables what else the template reads
     * @param continueFinalMessage whether the text ends inside the last message
     * @param addGenerationPrompt whether the text ends where an answer begins
     * @param tools functions that may be called
     * @throws IllegalArgumentException when they are
     */
    public ChatOptions {
        variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
        if (addGenerationPrompt && continueFinalMessage) {
            throw new IllegalArgumentException("a rendering either opens an answer or continues one");
        }
    }

    /**
     * A finished conversation.
     *
     * @return the options
     */
    public static ChatOptions none() {
        return new ChatOptions(false, false, null, Map.of());
    }

    /**
     * A conversation that the model is to answer.
     *
     * @return the options
     */
    public static ChatOptions generation() {
        return none().withGenerationPrompt(true);
    }

    /**
     * The same with or without the header of an answer at the end.
     *
     * @param value whether it follows
     * @return the options
     */
    public ChatOptions withGenerationPrompt(boolean value) {
        return new ChatOptions(value, false, tools, variables);
    }

    /**
     * The same for a text that ends inside the last message.
     *
     * @return the options
     */
    public ChatOptions continuingFinalMessage() {
        return new ChatOptions(false, true, tools, variables);
    }

    /**
     * The same with other functions that the model may call.
     *
     * @param value as OpenAI's JSON, or null
     * @return the options
     */
    public ChatOptions withTools(@Nullable List<? extends Object> value) {
        return new ChatOptions(addGenerationPrompt, continueFinalMessage, value, variables);
    }

    /**
     * The same with one more variable.
     *
     * @param name how the template knows it
     * @param value a text, number, truth value, null, list or map
     * @return the options
     */
    public ChatOptions with(String name, @Nullable Object value) {
        Map<String, @Nullable Object> more = new LinkedHashMap<>(variables);
        more.put(name, value);
        return new ChatOptions(addGenerationPrompt, continueFinalMessage, tools, more);
    }
}
