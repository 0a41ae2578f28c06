package org.finetune4j.model.chat.jinja;

/** Looks for a text in others, in time that grows with their length alone (Knuth, Morris and Pratt, 1977). */
final class TextSearch {

    /** Shorter ones are found as fast by trying every place. */
    private static final int SHORT = 8;

    private final String part;
    /** For every beginning of the part the length of the longest shorter one that it ends with. */
    private final int[] borders;

    TextSearch(String part) {
        this.part = part;
        this.borders = new int[part.length() > SHORT ? part.length() : 0];
        for (int i = 1; i < borders.length; i++) {
            borders[i] = extended(borders[i - 1], part.charAt(i));
        }
    }

    private int extended(int length, char c) {
        int matched = length;
        while (matched > 0 && part.charAt(matched) != c) {
            matched = borders[matched - 1];
        }
        return part.charAt(matched) == c ? matched + 1 : matched;
    }

    /** The first place of the part that is not before {@code from}, or -1. */
    int in(String text, int from) {
        if (borders.length == 0) {
            return text.indexOf(part, from);
        }
        int matched = 0;
        for (int i = from; i < text.length(); i++) {
            matched = extended(matched, text.charAt(i));
            if (matched == part.length()) {
                return i + 1 - matched;
            }
        }
        return -1;
    }

    /** The last place of a part in a text, or -1. */
    static int last(String text, String part) {
        int fromEnd = new TextSearch(mirrored(part)).in(mirrored(text), 0);
        return fromEnd < 0 ? -1 : text.length() - fromEnd - part.length();
    }

    /** The characters from the last to the first. */
    static String mirrored(String text) {
        char[] characters = new char[text.length()];
        for (int i = 0; i < characters.length; i++) {
            characters[i] = text.charAt(characters.length - 1 - i);
        }
        return new String(characters);
    }
}
