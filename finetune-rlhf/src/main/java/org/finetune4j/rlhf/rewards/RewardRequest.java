package org.finetune4j.rlhf.rewards;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One answer that is to be scored.
 *
 * @param prompt as the model was asked
 * @param completion what it answered, without special tokens
 * @param columns what else the record of the prompt says, such as the right answer
 * @param tokens the answer as the model drew it
 */
public record RewardRequest(
        String prompt, String completion, Map<String, @Nullable Object> columns, RewardRequest.Tokens tokens) {

    /**
     * An answer as token ids, copied: whoever scores it cannot change what is learned.
     *
     * @param prompt the prompt's
     * @param completion the answer's, its end token included
     * @param ended whether the answer ends by itself
     */
    public record Tokens(int[] prompt, int[] completion, boolean ended) {

        /**
         * Copies the arrays.
         *
         * @param prompt the prompt's
         * @param completion the answer's, its end token included
         * @param ended whether the answer ends by itself
         */
        public Tokens {
            prompt = prompt.clone();
            completion = completion.clone();
        }

        /** Of an answer that is known as text alone. */
        public static final Tokens NONE = new Tokens(new int[0], new int[0], true);
    }

    /**
     * Copies the columns.
     *
     * @param prompt as the model was asked
     * @param completion what it answered
     * @param columns what else the record of the prompt says
     * @param tokens the answer as the model drew it
     */
    public RewardRequest {
        columns = new LinkedHashMap<>(columns);
    }

    /**
     * An answer that is known as text alone.
     *
     * @param prompt as the model was asked
     * @param completion what it answered
     * @param columns what else the record of the prompt says
     */
    public RewardRequest(String prompt, String completion, Map<String, @Nullable Object> columns) {
        this(prompt, completion, columns, Tokens.NONE);
    }

    /**
     * What the record says under a name, as text.
     *
     * @param column its name
     * @return empty where the record has none
     */
    public Optional<String> text(String column) {
        return Optional.ofNullable(columns.get(column)).map(Object::toString);
    }
}
