package org.finetune4j.serve;

import java.util.List;
import org.finetune4j.generate.GenerationOptions;

/**
 * What a request asks for, whatever its form.
 *
 * @param model as it is to be called in the answer
 * @param prompts token ids, each to be answered as the options say
 * @param stream whether the answer comes in pieces
 * @param includeUsage whether a stream ends with the number of tokens
 * @param form how answers are written
 */
record AnswerRequest(
        String model,
        List<int[]> prompts,
        GenerationOptions options,
        boolean stream,
        boolean includeUsage,
        AnswerForm form) {

    /** How many answers there are. */
    int choices() {
        return prompts.size() * options.numReturnSequences();
    }

    int promptTokens() {
        return prompts.stream().mapToInt(prompt -> prompt.length).sum();
    }
}
