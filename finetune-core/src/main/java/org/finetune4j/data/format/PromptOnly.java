package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * A prompt without an answer, which a policy answers itself.
 *
 * @param turns the messages of the prompt, at least one, the last one not the assistant's
 * @param tools OpenAI's {@code tools} array, or null
 * @param isText whether the record has a text alone, which can be given to a model as it is
 */
public record PromptOnly(List<Turn> turns, @Nullable JsonNode tools, boolean isText) implements Example {

    /**
     * Checks that there is something to answer.
     *
     * @param turns the messages of the prompt
     * @param tools OpenAI's {@code tools} array, or null
     * @param isText whether the record has a text alone
     * @throws UserErrorException when there is no message, or the last one is the assistant's
     */
    public PromptOnly {
        turns = List.copyOf(turns);
        if (turns.isEmpty()) {
            throw new UserErrorException("the prompt has no message");
        }
        if (turns.get(turns.size() - 1).isAssistant()) {
            throw new UserErrorException("the prompt ends with the assistant's message: there is nothing to answer");
        }
    }

    /**
     * {@return a prompt of text alone}
     *
     * @param text what the model is given
     */
    public static PromptOnly of(String text) {
        return new PromptOnly(List.of(Turn.user(text)), null, true);
    }
}
