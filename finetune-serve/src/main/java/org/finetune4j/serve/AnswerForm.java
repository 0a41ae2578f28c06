package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.finetune4j.generate.TokenLogprob;
import org.jspecify.annotations.Nullable;

/** How answers are written: as texts, or as messages of a conversation. */
interface AnswerForm {

    /** What identifiers begin with. */
    String idPrefix();

    /** What {@code object} says of a whole answer. */
    String object();

    /** What {@code object} says of a piece of a stream. */
    String pieceObject();

    /** Whether prompt and answer are one text. */
    boolean continuesPrompt();

    /** How many characters of an unfinished answer can be sent: what may be a call of a tool is held back. */
    int sendable(CharSequence text);

    /**
     * Fills in a whole choice.
     *
     * @param text the whole answer
     * @param finishReason OpenAI's name of why it ended
     * @param logprobs of its tokens, null where they were not asked for
     */
    void choice(ObjectNode choice, String text, String finishReason, @Nullable List<TokenLogprob> logprobs);

    /** Fills in what a stream says first of a choice; false where it says nothing. */
    boolean begin(ObjectNode choice);

    /**
     * Fills in a piece of a choice.
     *
     * @param offset in the text of the first of {@code logprobs}
     * @return the offset behind the last of them
     */
    int piece(ObjectNode choice, String text, int offset, @Nullable List<TokenLogprob> logprobs);

    /**
     * Fills in the end of a choice in a stream.
     *
     * @param text the whole answer
     * @param sent how many of its characters were sent
     */
    void end(ObjectNode choice, String text, int sent, String finishReason);
}
