package org.finetune4j.classify;

import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Tokenizer;

/**
 * Makes of a text, or of two, what a classifier reads: the tokens with what the tokenizer puts around them, and which text each belongs
 * to, as transformers does.
 */
public final class TextPairTokenizer {

    private final Tokenizer tokenizer;
    private final boolean tellsTextsApart;
    private final int maxLength;
    private final TruncationPolicy truncation;

    /**
     * For a model.
     *
     * @param model that reads the texts
     * @param maxLength the most tokens, those around the texts included
     * @param truncation what becomes of a text with more
     */
    public TextPairTokenizer(CausalLM model, int maxLength, TruncationPolicy truncation) {
        this.tokenizer = model.tokenizer();
        this.tellsTextsApart = model.network().tokenTypes() > 1;
        this.maxLength = maxLength;
        this.truncation = truncation;
    }

    /**
     * A text, or two, as tokens without anything around them.
     *
     * @param first of the text
     * @param second of the other one, none where there is none
     */
    public record Tokens(int[] first, int[] second) {

        private int count() {
            return first.length + second.length;
        }
    }

    /**
     * The tokens of texts.
     *
     * @param texts one or two
     * @return the tokens, however many
     */
    public Tokens tokenize(TextPair texts) {
        return new Tokens(tokenizer.encode(texts.text(), false), tokenizer.encode(texts.secondText(), false));
    }

    /** Tokens that stand around one text or two: after each where the tokenizer ends texts, else before each. */
    private int around(Tokens tokens) {
        int before = tokenizer.leadingSpecialTokens().length;
        int after = tokenizer.trailingSpecialTokens().length;
        boolean two = tokens.second.length > 0;
        return before + after + (two ? (after > 0 ? after : before) : 0);
    }

    /**
     * Whether nothing has to be cut off.
     *
     * @param tokens of texts
     * @return whether they have room, with what is put around them
     */
    public boolean fits(Tokens tokens) {
        return tokens.count() + around(tokens) <= maxLength;
    }

    /**
     * What the model reads.
     *
     * @param whole tokens of texts
     * @param location what messages call the texts
     * @return a sample of which no token is labelled
     * @throws UserErrorException when the text is empty, or may not be cut and has to be
     */
    public Sample sample(Tokens whole, String location) {
        if (whole.first.length == 0) {
            throw new UserErrorException(location + ": the text is empty, there is nothing to classify");
        }
        if (!fits(whole) && truncation == TruncationPolicy.ERROR) {
            throw new UserErrorException(location + ": the text has " + whole.count() + " tokens and " + around(whole)
                    + " around it, max_length is " + maxLength
                    + "; raise it, or set truncation to right, left or drop");
        }
        Tokens tokens = cut(whole, location);
        int[] before = tokenizer.leadingSpecialTokens();
        int[] after = tokenizer.trailingSpecialTokens();
        int[] ids = joined(before, tokens.first, after);
        int firstEnds = ids.length;
        if (tokens.second.length > 0) {
            ids = joined(ids, after.length > 0 ? new int[0] : before, joined(tokens.second, after));
        }
        int[] unlabelled = new int[ids.length];
        Arrays.fill(unlabelled, Sample.IGNORE_INDEX);
        Sample sample = new Sample(ids, unlabelled);
        if (!tellsTextsApart) {
            return sample;
        }
        float[] types = new float[ids.length];
        Arrays.fill(types, firstEnds, types.length, 1);
        return sample.with(Sample.TOKEN_TYPES, types);
    }

    /** What does not fit is taken from the longer text, as the tokenizers library does it. */
    private Tokens cut(Tokens tokens, String location) {
        int room = maxLength - around(tokens);
        if (room < 1) {
            throw new UserErrorException(location + ": max_length is " + maxLength
                    + ", which leaves no room beside the " + around(tokens) + " tokens around a text");
        }
        int shorter = Math.min(tokens.first.length, tokens.second.length);
        int longer = Math.max(tokens.first.length, tokens.second.length);
        if (shorter + longer > room) {
            longer = Math.max(shorter, room - shorter);
        }
        if (shorter + longer > room) {
            shorter = room / 2;
            longer = room - shorter;
        }
        boolean swapped = tokens.first.length > tokens.second.length;
        int first = swapped ? longer : shorter;
        int second = swapped ? shorter : longer;
        return new Tokens(part(tokens.first, first), part(tokens.second, second));
    }

    private int[] part(int[] ids, int length) {
        return truncation == TruncationPolicy.LEFT
                ? Arrays.copyOfRange(ids, ids.length - length, ids.length)
                : Arrays.copyOf(ids, length);
    }

    private static int[] joined(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }
}
