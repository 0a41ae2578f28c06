package org.finetune4j.model;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import org.jspecify.annotations.Nullable;

/**
 * Tokens with the part of the text that each stands for, in UTF-16 units. White space may belong to no token (tokenizers
 * trim it from offsets), and several tokens to one character (its bytes).
 *
 * @param ids token ids
 * @param starts first unit of each token
 * @param ends unit after the last; equal to {@code starts} for a token that is white space only
 */
public record TokenOffsets(int[] ids, int[] starts, int[] ends) {

    /**
     * {@return whether a token stands for a part of {@code [from, to)}; one of white space counts from the token before it}
     *
     * @param token its index in the text
     * @param from first character
     * @param to one after the last character
     */
    public boolean overlaps(int token, int from, int to) {
        int start = starts[token];
        int end = ends[token];
        if (start == end && token > 0) {
            start = Math.min(start, ends[token - 1]);
        }
        return start < to && end > from;
    }

    /** @param spans in code points, null for tokens that stand nowhere */
    static TokenOffsets of(String text, int[] ids, @Nullable CharSpan[] spans) {
        int[] starts = new int[ids.length];
        int[] ends = new int[ids.length];
        int[] units = text.codePointCount(0, text.length()) == text.length() ? null : units(text);
        int last = 0;
        for (int i = 0; i < ids.length; i++) {
            CharSpan span = spans[i];
            // A token that the tokenizer cannot place stands for nothing, at the end of the one before.
            starts[i] = span == null ? last : unit(units, span.getStart());
            ends[i] = span == null ? last : unit(units, span.getEnd());
            last = Math.max(last, ends[i]);
        }
        return new TokenOffsets(ids, starts, ends);
    }

    private static int unit(int @Nullable [] units, int codePoint) {
        return units == null ? codePoint : units[codePoint];
    }

    /** Where each code point starts; the tokenizer counts those. */
    private static int[] units(String text) {
        int count = text.codePointCount(0, text.length());
        int[] units = new int[count + 1];
        int unit = 0;
        for (int i = 0; i < count; i++) {
            units[i] = unit;
            unit += Character.charCount(text.codePointAt(unit));
        }
        units[count] = unit;
        return units;
    }
}
