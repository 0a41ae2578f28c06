package org.finetune4j.model;

import java.util.Arrays;

/**
 * Decodes tokens that arrive one at a time, in pieces that never split a character: a token may end in the middle of a
 * UTF-8 sequence, and how a token reads may depend on the one before it (leading spaces). The pieces together are the
 * text that {@link Tokenizer#decode} gives for all ids, whenever that text is valid UTF-8.
 *
 * <p>Not thread-safe: one decoder belongs to one sequence.
 */
public final class IncrementalDecoder {

    private static final char REPLACEMENT = '\uFFFD';

    /** A character has four bytes at most, each a token of its own where need be. */
    private static final int BEFORE = 4;

    private final Tokenizer tokenizer;
    private final boolean skipSpecialTokens;

    // Tokens of the last piece, which the next one is decoded after, then tokens whose text is still to come.
    private int[] window = new int[16];
    private int windowLength;
    private int emittedTokens;
    private String emittedText = "";

    IncrementalDecoder(Tokenizer tokenizer, boolean skipSpecialTokens) {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
    }

    /**
     * Says what stands before the first token, which is then read after it: tokenizers that leave out the space a text begins with
     * would leave it out in the middle of this one. Where it ends inside of a character, the tokens to come are read by themselves.
     *
     * @param ids of the text before, whose last few count
     */
    public void follow(int[] ids) {
        windowLength = Math.min(ids.length, BEFORE);
        System.arraycopy(ids, ids.length - windowLength, window, 0, windowLength);
        emittedTokens = windowLength;
        emittedText = decode(0, windowLength);
        if (emittedText.isEmpty() || emittedText.charAt(emittedText.length() - 1) == REPLACEMENT) {
            windowLength = 0;
            emittedTokens = 0;
            emittedText = "";
        }
    }

    /**
     * Takes the next token.
     *
     * @param id of the token
     * @return the text that is now complete; empty while a character is not
     * @throws IllegalStateException when the tokenizer is closed
     */
    public String push(int id) {
        if (windowLength == window.length) {
            window = Arrays.copyOf(window, 2 * window.length);
        }
        window[windowLength++] = id;
        String text = decode(0, windowLength);
        boolean complete = text.length() > emittedText.length()
                && text.charAt(text.length() - 1) != REPLACEMENT
                && text.startsWith(emittedText);
        if (!complete) {
            return "";
        }
        String piece = text.substring(emittedText.length());
        slide();
        return piece;
    }

    /** {@return what is left when the sequence ends inside of a character; usually empty} Starts the decoder anew. */
    public String finish() {
        String text = decode(0, windowLength);
        int common = 0;
        while (common < Math.min(text.length(), emittedText.length())
                && text.charAt(common) == emittedText.charAt(common)) {
            common++;
        }
        windowLength = 0;
        emittedTokens = 0;
        emittedText = "";
        return text.substring(common);
    }

    /** Keeps only the tokens of the piece that was just given out: enough for what comes next to be read after it. */
    private void slide() {
        int kept = windowLength - emittedTokens;
        System.arraycopy(window, emittedTokens, window, 0, kept);
        windowLength = kept;
        emittedTokens = kept;
        emittedText = decode(0, kept);
    }

    private String decode(int from, int to) {
        return tokenizer.decode(Arrays.copyOfRange(window, from, to), skipSpecialTokens);
    }
}
