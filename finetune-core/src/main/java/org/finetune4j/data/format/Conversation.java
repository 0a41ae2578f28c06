package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Messages in their order; a chat template puts them into words.
 *
 * @param turns at least one of the assistant's
 * @param promptTurns how many of the first turns are the prompt of a record that has one apart; 0 when it does not say
 * @param tools OpenAI's {@code tools} array, or null
 */
public record Conversation(
        List<Turn> turns, int promptTurns, @Nullable JsonNode tools) implements Supervised {

    /**
     * Checks that there is something to learn.
     *
     * @param turns at least one of the assistant's
     * @param promptTurns how many of the first turns are the prompt of a record that has one apart; 0 when it does not say
     * @param tools OpenAI's {@code tools} array, or null
     * @throws UserErrorException when no turn after the prompt is the assistant's
     * @throws IllegalArgumentException when {@code promptTurns} is outside of the turns
     */
    public Conversation {
        turns = List.copyOf(turns);
        if (promptTurns < 0 || promptTurns > turns.size()) {
            throw new IllegalArgumentException("promptTurns is " + promptTurns + " of " + turns.size());
        }
        if (turns.stream().skip(promptTurns).noneMatch(Turn::isAssistant)) {
            throw new UserErrorException("the conversation has no assistant message to learn from");
        }
    }

    /** The same with a system message before it, unless it has one or there is none to add. */
    Conversation withSystem(String system) {
        if (system.isEmpty() || turns.get(0).role().equals(Turn.SYSTEM)) {
            return this;
        }
        List<Turn> all = new ArrayList<>();
        all.add(Turn.system(system));
        all.addAll(turns);
        return new Conversation(all, promptTurns == 0 ? 0 : promptTurns + 1, tools);
    }
}
