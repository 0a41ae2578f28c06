package org.finetune4j.data;

import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Tokenizer;

/**
 * Turns one record into a sample: prompt tokens without labels, then the answer's tokens and the end-of-sequence token,
 * all labelled.
 *
 * <p>Prompt and answer are tokenised apart and put together. In one go, a token could span the border, half trained and
 * half not, and the model would be trained on a prompt that it never sees: at generation the prompt is tokenised alone.
 */
final class InstructionTokenizer {

    private final Tokenizer tokenizer;
    private final TokenizationOptions options;
    private final int[] leading;
    private final int eos;

    InstructionTokenizer(Tokenizer tokenizer, TokenizationOptions options) {
        this.tokenizer = tokenizer;
        this.options = options;
        this.leading = tokenizer.leadingSpecialTokens();
        this.eos = tokenizer
                .eosTokenId()
                .orElseThrow(() -> new UserErrorException("the tokenizer has no end-of-sequence token, so the model"
                        + " could not learn to stop; name one as 'eos_token' in tokenizer_config.json"));
    }

    /** A record's tokens before truncation; the first {@code promptLength} are the prompt. */
    record Untruncated(int[] ids, int promptLength, int leadingLength) {}

    Untruncated tokenize(InstructionRecord record) {
        int[] prompt = tokenizer.encode(options.template().prompt(record), false);
        int[] completion = tokenizer.encode(options.template().completion(record), false);
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
        return new Untruncated(ids, promptLength, leading.length);
    }

    /** Whether the record fits; those that do not are left out under {@link TruncationPolicy#DROP}. */
    boolean fits(Untruncated tokens) {
        return tokens.ids().length <= options.maxLength();
    }

    /**
     * Applies the truncation policy and sets the labels.
     *
     * @param location of the record, for messages
     * @throws UserErrorException when the sample is too long, or has no labelled token left
     */
    Sample toSample(Untruncated tokens, String location) {
        int length = tokens.ids().length;
        int[] ids = tokens.ids();
        int promptLength = tokens.promptLength();
        if (!fits(tokens)) {
            if (options.truncation() == TruncationPolicy.LEFT) {
                int kept = Math.min(tokens.leadingLength(), options.maxLength() - 1);
                ids = Arrays.copyOf(ids, options.maxLength());
                int tail = options.maxLength() - kept;
                System.arraycopy(tokens.ids(), length - tail, ids, kept, tail);
                promptLength = Math.max(kept, promptLength - (length - options.maxLength()));
            } else if (options.truncation() == TruncationPolicy.RIGHT) {
                ids = Arrays.copyOf(ids, options.maxLength());
            } else {
                throw new UserErrorException(location + ": the sample has " + length + " tokens, max_length is "
                        + options.maxLength() + "; raise it, or set truncation to right, left or drop");
            }
        }
        int[] labels = ids.clone();
        Arrays.fill(labels, 0, Math.min(promptLength, labels.length), Sample.IGNORE_INDEX);
        Sample sample = new Sample(ids, labels);
        if (sample.labelledTokens() == 0) {
            throw new UserErrorException(location
                    + (fits(tokens)
                            ? ": the record is empty, there is nothing to learn from it"
                            : ": no labelled token is left: the prompt alone has " + promptLength
                                    + " tokens, max_length is " + options.maxLength()
                                    + "; raise it, or set truncation to left or drop"));
        }
        return sample;
    }

    private static boolean startsWith(int[] ids, int[] prefix) {
        return ids.length >= prefix.length && Arrays.equals(ids, 0, prefix.length, prefix, 0, prefix.length);
    }
}
