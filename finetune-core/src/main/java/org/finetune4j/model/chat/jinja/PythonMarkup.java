package org.finetune4j.model.chat.jinja;

/**
 * A text that the filter {@code safe} or {@code escape} has made: other texts that are put to it are escaped for HTML.
 *
 * @param text as it is written
 */
record PythonMarkup(String text) implements CharSequence {

    /** The characters that mean something in HTML, written so that they do not. */
    static PythonMarkup escaped(CharSequence plain) {
        if (plain instanceof PythonMarkup markup) {
            return markup;
        }
        return new PythonMarkup(plain.toString()
                .replace("&", "&amp;")
                .replace(">", "&gt;")
                .replace("<", "&lt;")
                .replace("'", "&#39;")
                .replace("\"", "&#34;"));
    }

    /** The same kind of text as {@code kind} is. */
    static CharSequence like(Object kind, String text) {
        return kind instanceof PythonMarkup ? new PythonMarkup(text) : text;
    }

    static CharSequence concatenated(CharSequence a, CharSequence b) {
        return a instanceof PythonMarkup || b instanceof PythonMarkup
                ? new PythonMarkup(escaped(a).text + escaped(b).text)
                : a.toString() + b;
    }

    @Override
    public int length() {
        return text.length();
    }

    @Override
    public char charAt(int index) {
        return text.charAt(index);
    }

    @Override
    public CharSequence subSequence(int start, int end) {
        return text.subSequence(start, end);
    }

    @Override
    public String toString() {
        return text;
    }
}
