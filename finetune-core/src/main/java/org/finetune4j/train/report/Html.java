package org.finetune4j.train.report;

/** Text for HTML. */
final class Html {

    private Html() {}

    /**
     * {@code text} such that it is text and nothing else, in element content and in quoted attributes. Characters that
     * HTML forbids become the replacement character.
     */
    static String escape(String text) {
        StringBuilder escaped = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(character -> {
            switch (character) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.appendCodePoint(isAllowed(character) ? character : 0xFFFD);
            }
        });
        return escaped.toString();
    }

    private static boolean isAllowed(int character) {
        boolean control = Character.isISOControl(character) && "\t\n\r".indexOf(character) < 0;
        boolean loneSurrogate = Character.MIN_SURROGATE <= character && character <= Character.MAX_SURROGATE;
        return !control && !loneSurrogate;
    }
}
