package org.finetune4j.regex;

/** A text that can be looked at a limited number of times: Java's regular expressions have no other brake. */
final class CountedCharacters implements CharSequence {

    private final CharSequence text;
    private int left;

    CountedCharacters(CharSequence text, int steps) {
        this.text = text;
        this.left = steps;
    }

    @Override
    public char charAt(int index) {
        if (--left < 0) {
            throw new Exhausted();
        }
        return text.charAt(index);
    }

    @Override
    public int length() {
        return text.length();
    }

    @Override
    public CharSequence subSequence(int start, int end) {
        return text.subSequence(start, end);
    }

    @Override
    public String toString() {
        return text.toString();
    }

    /** All steps are used up. */
    static final class Exhausted extends RuntimeException {

        private static final long serialVersionUID = 1L;
    }
}
