package org.finetune4j.data.format;

import java.util.List;
import java.util.Objects;
import org.finetune4j.UserErrorException;

/** What has to hold of answers that people judged, or nothing can be learned from the judgement. */
final class JudgedAnswers {

    private static final String ADVICE = "; mend the record, or leave such records out by on_bad_record: skip";

    /** What starts a human's turn in a dialogue that is one text. */
    private static final String HUMAN_MARK = "\n\nHuman:";

    private JudgedAnswers() {}

    /**
     * Refuses an answer without any word or call.
     *
     * @param name what the record calls it
     */
    static void requireAnswer(String name, Supervised example) {
        boolean empty = example instanceof Conversation conversation
                ? answer(conversation).stream().allMatch(JudgedAnswers::isEmpty)
                : answerText(example).isBlank();
        if (empty) {
            throw new UserErrorException("the " + name + " answer is empty" + ADVICE);
        }
    }

    /** Refuses answers that cannot be compared: the same twice, or to different prompts. */
    static void requireComparable(Supervised chosen, Supervised rejected) {
        requireAnswer("chosen", chosen);
        requireAnswer("rejected", rejected);
        if (!Objects.equals(prompt(chosen), prompt(rejected)) || goesOn(chosen) || goesOn(rejected)) {
            throw new UserErrorException(
                    "the prompts of 'chosen' and 'rejected' differ, so that their answers cannot be" + " compared"
                            + ADVICE);
        }
        if (chosen.equals(rejected)) {
            throw new UserErrorException("'chosen' and 'rejected' are the same answer" + ADVICE);
        }
    }

    private static Object prompt(Supervised example) {
        if (example instanceof Conversation conversation) {
            return conversation.turns().subList(0, promptTurns(conversation));
        }
        return example instanceof Instruction instruction
                ? List.of(instruction.instruction(), instruction.input())
                : ((PromptCompletion) example).prompt();
    }

    private static String answerText(Supervised example) {
        return example instanceof Instruction instruction
                ? instruction.output()
                : ((PromptCompletion) example).completion();
    }

    /** Whether somebody else speaks in the answer: then the prompts parted before the last one. */
    private static boolean goesOn(Supervised example) {
        return example instanceof Conversation conversation
                ? answer(conversation).stream()
                        .anyMatch(turn ->
                                turn.role().equals(Turn.USER) || turn.role().equals(Turn.SYSTEM))
                : example instanceof PromptCompletion texts
                        && texts.completion().contains(HUMAN_MARK)
                        && texts.prompt().contains(HUMAN_MARK);
    }

    private static List<Turn> answer(Conversation conversation) {
        return conversation
                .turns()
                .subList(promptTurns(conversation), conversation.turns().size());
    }

    /** Where a record does not say what its prompt is, the last message is the answer. */
    private static int promptTurns(Conversation conversation) {
        return conversation.promptTurns() > 0
                ? conversation.promptTurns()
                : conversation.turns().size() - 1;
    }

    private static boolean isEmpty(Turn turn) {
        return turn.content().isBlank() && turn.toolCalls() == null;
    }
}
