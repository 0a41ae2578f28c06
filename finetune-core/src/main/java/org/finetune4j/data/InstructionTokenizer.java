package org.finetune4j.data;

import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Tokenizer;

/**
 * Turns a prompt and its answer into tokens: prompt tokens that are not learned, then the answer's tokens and the
 * end-of-sequence token, which are.
 *
 * <p>Prompt and answer are tokenised apart and put together. In one go, a token could span the border, half trained and
 * half not, and the model would be trained on a prompt that it never sees: at generation the prompt is tokenised alone.
 */
public final class InstructionTokenizer {

    private final Tokenizer tokenizer;
    private final int[] leading;
    private final int eos;

    /** @throws UserErrorException when the tokenizer has no end-of-sequence token */
    public InstructionTokenizer(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.leading = tokenizer.leadingSpecialTokens();
        this.eos = tokenizer
                .eosTokenId()
                .orElseThrow(() -> new UserErrorException("the tokenizer has no end-of-sequence token, so the model"
                        + " could not learn to stop; name one as 'eos_token' in tokenizer_config.json"));
    }

    /** The tokens of a prompt and the answer to learn. A special token that either brings is not added again. */
    public TokenizedExample tokenize(String promptText, String completionText) {
        int[] prompt = tokenizer.encode(promptText, false);
        int[] completion = tokenizer.encode(completionText, false);
        // A template may write BOS itself, and an answer EOS: never twice.
        int leadingLength = startsWith(prompt, leading) ? 0 : leading.length;
        boolean addEos = completion.length == 0 || completion[completion.length - 1] != eos;
        int promptLength = leadingLength + prompt.length;
        int[] ids = Arrays.copyOf(leading, promptLength + completion.length + (addEos ? 1 : 0));
        System.arraycopy(prompt, 0, ids, leadingLength, prompt.length);
        System.arraycopy(completion, 0, ids, promptLength, completion.length);
        if (addEos) {
            ids[ids.length - 1] = eos;
        }
        boolean[] trained = new boolean[ids.length];
        Arrays.fill(trained, promptLength, ids.length, true);
        return new TokenizedExample(ids, trained, leading.length);
    }

    private static boolean startsWith(int[] ids, int[] prefix) {
        return ids.length >= prefix.length && Arrays.equals(ids, 0, prefix.length, prefix, 0, prefix.length);
    }
}
