package org.finetune4j.data.supervised;

import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.model.Tokenizer;

/**
 * Turns a prompt and its answer into tokens: prompt tokens that are not learned, then the answer's tokens and the
 * end-of-sequence token, which are.
 *
 * <p>Both are tokenised as one text, as TRL does it and as a chat template's text is: apart, SentencePiece would put a
 * blank before the answer that is not in the text. As many tokens as the prompt alone has are not learned; where the
 * answer's beginning melts into the prompt's last token, that token counts as the prompt's.
 */
public final class PromptCompletionTokenizer {

    private final Tokenizer tokenizer;
    private final int[] leading;
    private final int eos;
    private final String eosText;

    /**
     * Keeps the tokenizer, which must stay open.
     *
     * @param tokenizer the model's tokenizer
     * @throws UserErrorException when the tokenizer has no end-of-sequence token
     */
    public PromptCompletionTokenizer(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.leading = tokenizer.leadingSpecialTokens();
        this.eos = tokenizer
                .eosTokenId()
                .orElseThrow(() -> new UserErrorException("the tokenizer has no end-of-sequence token, so the model"
                        + " could not learn to stop; name one as 'eos_token' in tokenizer_config.json"));
        this.eosText = tokenizer.decode(new int[] {eos}, false);
    }

    /**
     * The tokens of a prompt and the answer to learn. A special token that either brings is not added again.
     *
     * @param prompt the text before the answer
     * @param completion the answer
     * @return the tokens, with marks of those that are learned
     */
    public TokenizedExample tokenize(String prompt, String completion) {
        int promptTokens = tokenizer.encode(prompt, false).length;
        int[] text = tokenizer.encode(prompt + completion, false);
        if (!endsInEos(text) && !eosText.isEmpty() && completion.endsWith(eosText)) {
            // The end marker is written out where the tokenizer does not know it: the token is meant, not its letters.
            String answer = completion.substring(0, completion.length() - eosText.length());
            text = tokenizer.encode(prompt + answer, false);
        }
        // A template may write BOS itself, and an answer EOS: never twice.
        int leadingLength = startsWith(text, leading) ? 0 : leading.length;
        boolean addEos = completion.isEmpty() || !endsInEos(text);
        int[] ids = Arrays.copyOf(leading, leadingLength + text.length + (addEos ? 1 : 0));
        System.arraycopy(text, 0, ids, leadingLength, text.length);
        if (addEos) {
            ids[ids.length - 1] = eos;
        }
        boolean[] trained = new boolean[ids.length];
        Arrays.fill(trained, leadingLength + Math.min(promptTokens, text.length), ids.length, true);
        return new TokenizedExample(ids, trained, leading.length);
    }

    private boolean endsInEos(int[] ids) {
        return ids.length > 0 && ids[ids.length - 1] == eos;
    }

    private static boolean startsWith(int[] ids, int[] prefix) {
        return ids.length >= prefix.length && Arrays.equals(ids, 0, prefix.length, prefix, 0, prefix.length);
    }
}
