package org.finetune4j.generate;

import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.List;

/** The tokens of one row: its prompt and what was added. */
final class TokenSequence {

    private final int promptLength;
    private int[] tokens;
    private int length;

    TokenSequence(int[] prompt) {
        this(prompt.clone(), prompt.length, prompt.length);
    }

    private TokenSequence(int[] tokens, int length, int promptLength) {
        this.tokens = tokens;
        this.length = length;
        this.promptLength = promptLength;
    }

    TokenSequence copy() {
        return new TokenSequence(tokens.clone(), length, promptLength);
    }

    void add(int token) {
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, 2 * length + 16);
        }
        tokens[length++] = token;
    }

    int length() {
        return length;
    }

    int get(int index) {
        return tokens[index];
    }

    int newTokens() {
        return length - promptLength;
    }

    List<Integer> added() {
        return Arrays.stream(tokens, promptLength, length).boxed().toList();
    }

    int[] addedTokens() {
        return Arrays.copyOfRange(tokens, promptLength, length);
    }

    /** A copy of some tokens, which is equal to others of the same ids. */
    IntBuffer slice(int from, int count) {
        return IntBuffer.wrap(Arrays.copyOfRange(tokens, from, from + count));
    }

    int promptLength() {
        return promptLength;
    }
}
