package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;

/**
 * Splits a template's source into text and tags, by Jinja2's rules of white space with {@code trim_blocks} and {@code
 * lstrip_blocks} on, as transformers has them. Comments are left out.
 */
final class TemplateLexer {

    private static final Pattern RAW =
            Pattern.compile("\\{%[-+]?\\s*+raw\\s*+(?:-%\\}\\s*+|%\\})", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern END_OF_RAW =
            Pattern.compile("\\{%([-+]?)\\s*+endraw\\s*+([-+]?)%\\}", Pattern.UNICODE_CHARACTER_CLASS);

    private final String source;
    private final List<Piece> pieces = new ArrayList<>();
    private int at;
    private int line = 1;
    private int countedTo;
    /** Whether what follows is the start of a line, the line break itself being gone. */
    private boolean startsLine = true;

    private TemplateLexer(String source) {
        this.source = source;
    }

    /**
     * The pieces of a source.
     *
     * @throws UserErrorException where a tag cannot be read, with its line
     */
    static List<Piece> pieces(String source) {
        String unix = source.replace("\r\n", "\n").replace('\r', '\n');
        TemplateLexer lexer = new TemplateLexer(unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix);
        try {
            lexer.split();
        } catch (UserErrorException e) {
            throw new UserErrorException("line " + lexer.line + ": " + e.getMessage(), e);
        }
        return lexer.pieces;
    }

    private void split() {
        for (int open = nextTag(); open >= 0; open = nextTag()) {
            int textLine = lineAt(at);
            char kind = source.charAt(open + 1);
            char opening = open + 2 < source.length() ? source.charAt(open + 2) : ' ';
            boolean signed = opening == '-' || opening == '+';
            text(stripped(source.substring(at, open), signed ? opening : ' ', kind != '{'), textLine);
            lineAt(open);
            at = open + (signed ? 3 : 2);
            switch (kind) {
                case '#' -> comment();
                case '{' -> tag(false, "}}");
                default -> block(open);
            }
        }
        text(source.substring(at), lineAt(at));
    }

    private void text(String text, int textLine) {
        if (!text.isEmpty()) {
            pieces.add(new Piece.Text(text, textLine));
        }
    }

    private int nextTag() {
        for (int i = source.indexOf('{', at); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            if ("{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    /** Goes on to a place that is not before the last one. */
    private int lineAt(int place) {
        for (; countedTo < place; countedTo++) {
            if (source.charAt(countedTo) == '\n') {
                line++;
            }
        }
        return line;
    }

    private void comment() {
        int close = source.indexOf("#}", at);
        if (close < 0) {
            throw new UserErrorException("a comment without its '#}' in a chat template");
        }
        char sign = close > at ? source.charAt(close - 1) : ' ';
        behind(close + 2, sign == '-' || sign == '+' ? sign : ' ', true);
    }

    private void tag(boolean isBlock, String close) {
        int tagLine = line;
        TokenReader reader = new TokenReader(source, at, close);
        pieces.add(new Piece.Tag(isBlock, reader.read(), tagLine));
        behind(reader.end(), reader.sign(), isBlock);
    }

    private void block(int open) {
        Matcher raw = RAW.matcher(source).region(open, source.length());
        if (!raw.lookingAt()) {
            tag(true, "%}");
            return;
        }
        // Behind the start of a raw block a line break stays.
        startsLine = raw.group().endsWith("\n");
        at = raw.end();
        Matcher end = END_OF_RAW.matcher(source);
        if (!end.find(at)) {
            throw new UserErrorException("'raw' has no end in a chat template");
        }
        int textLine = lineAt(at);
        text(stripped(source.substring(at, end.start()), sign(end.group(1)), true), textLine);
        behind(end.end(), sign(end.group(2)), true);
    }

    private static char sign(String text) {
        return text.isEmpty() ? ' ' : text.charAt(0);
    }

    /** Goes on behind a tag: a minus takes all white space with it, a block or comment one line break. */
    private void behind(int end, char sign, boolean trimsLine) {
        at = end;
        if (sign == '-') {
            while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
                at++;
            }
        } else if (trimsLine && sign != '+' && source.startsWith("\n", at)) {
            at++;
        }
        startsLine = at > 0 && source.charAt(at - 1) == '\n';
    }

    /** The text before a tag: a minus takes all white space with it, a block or comment its indentation. */
    private String stripped(String text, char sign, boolean takesIndentation) {
        if (sign == '-') {
            return PythonText.stripTrailing(text);
        }
        if (sign == '+' || !takesIndentation) {
            return text;
        }
        int lineStart = text.lastIndexOf('\n') + 1;
        boolean isIndentation = (lineStart > 0 || startsLine) && PythonText.isBlank(text.substring(lineStart));
        return isIndentation ? text.substring(0, lineStart) : text;
    }
}
