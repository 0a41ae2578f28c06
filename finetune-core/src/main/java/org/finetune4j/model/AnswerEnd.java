package org.finetune4j.model;

import java.util.List;
import java.util.OptionalInt;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;

/**
 * The token that a chat template ends an answer with. It is not always the tokenizer's end-of-sequence token: a base model that
 * learns conversations in ChatML ends its answers with {@code <|im_end|>}, which its files know as one token of many, and
 * whoever generates with it then runs past the answer.
 */
public final class AnswerEnd {

    private static final String ANSWER = "Zq7answer";

    private AnswerEnd() {}

    /**
     * {@return the id of the special token that comes next after an answer, or empty where no special token does, or the
     * template refuses a plain question with its answer}
     *
     * @param template that conversations are written in
     * @param tokenizer that reads them
     */
    public static OptionalInt of(ChatTemplate template, Tokenizer tokenizer) {
        String text;
        try {
            text = template.render(
                    List.of(ChatMessage.user("Question"), ChatMessage.assistant(ANSWER)), ChatOptions.none());
        } catch (UserErrorException e) {
            return OptionalInt.empty();
        }
        int at = text.lastIndexOf(ANSWER);
        String after = at < 0 ? "" : text.substring(at + ANSWER.length()).stripLeading();
        int[] ids = after.isEmpty() ? new int[0] : tokenizer.encode(after, false);
        boolean special = ids.length > 0
                && after.startsWith(tokenizer.token(ids[0]))
                && tokenizer.decode(new int[] {ids[0]}, true).isEmpty();
        return special ? OptionalInt.of(ids[0]) : OptionalInt.empty();
    }
}
