package org.finetune4j.data.supervised;

import java.util.List;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Turn;

/** Which tokens are learned. What a message says itself ({@code train}, {@code weight}) goes before this. */
public enum TrainOn {
    /** The completion of a record that has its prompt apart; every assistant turn of a conversation that has none. */
    COMPLETIONS,
    /** Every assistant turn, also those that a record counts to its prompt. */
    ASSISTANT,
    /** The last assistant turn. */
    LAST_TURN,
    /** Every token, prompts and system messages too. */
    ALL;

    /** Whether a turn of a conversation is learned. */
    boolean trains(Conversation conversation, int turn) {
        List<Turn> turns = conversation.turns();
        Boolean own = turns.get(turn).train();
        if (own != null) {
            return own;
        }
        return switch (this) {
            case COMPLETIONS -> turns.get(turn).isAssistant() && turn >= conversation.promptTurns();
            case ASSISTANT -> turns.get(turn).isAssistant();
            case LAST_TURN ->
                turns.get(turn).isAssistant() && turns.stream().skip(turn + 1L).noneMatch(Turn::isAssistant);
            case ALL -> true;
        };
    }
}
