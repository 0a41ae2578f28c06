package org.finetune4j.model.chat.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.finetune4j.UserErrorException;

/** Splits what stands between the braces of a tag into the tokens that Jinja2 sees there, and so finds where the tag ends. */
final class TokenReader {

    private static final String OPERATORS = "+-*/%~[](){}><=.:|,;";
    private static final List<String> LONG_OPERATORS = List.of("//", "**", "==", "!=", ">=", "<=");

    private final String source;
    private final String close;
    private final List<Token> tokens = new ArrayList<>();
    /** What has to close next. */
    private final Deque<Character> brackets = new ArrayDeque<>();

    private int at;
    private char sign;

    /**
     * A reader of one tag.
     *
     * @param from behind the opening brace
     * @param close what ends the tag, without a sign before it
     */
    TokenReader(String source, int from, String close) {
        this.source = source;
        this.at = from;
        this.close = close;
    }

    /**
     * Reads up to the end of the tag.
     *
     * @throws UserErrorException where something is no token, or the tag has no end
     */
    List<Token> read() {
        while (at < source.length()) {
            char c = source.charAt(at);
            if (brackets.isEmpty() && closes(c)) {
                tokens.add(new Token(Token.Type.END, "end of the tag", null));
                return tokens;
            }
            if (PythonText.isSpace(c)) {
                at++;
            } else if (c == '\'' || c == '"') {
                string(c);
            } else if (c >= '0' && c <= '9') {
                number();
            } else if (Character.isUnicodeIdentifierStart(source.codePointAt(at)) || c == '_') {
                name();
            } else {
                operator(c);
            }
        }
        throw new UserErrorException("a tag without its '" + close + "' in a chat template");
    }

    private boolean closes(char c) {
        boolean signed = c == '-' || (c == '+' && close.equals("%}"));
        if (!source.startsWith(close, signed ? at + 1 : at)) {
            return false;
        }
        sign = signed ? c : ' ';
        at += close.length() + (signed ? 1 : 0);
        return true;
    }

    /** The place behind the tag. */
    int end() {
        return at;
    }

    /** The sign before the closing brace, or a blank. */
    char sign() {
        return sign;
    }

    private void operator(char c) {
        for (String operator : LONG_OPERATORS) {
            if (source.startsWith(operator, at)) {
                tokens.add(new Token(Token.Type.OPERATOR, operator, null));
                at += operator.length();
                return;
            }
        }
        Token token = new Token(Token.Type.OPERATOR, String.valueOf(c), null);
        if (OPERATORS.indexOf(c) < 0) {
            throw TokenCursor.unexpected(
                    new Token(Token.Type.OPERATOR, Character.toString(source.codePointAt(at)), null));
        }
        switch (c) {
            case '(' -> brackets.push(')');
            case '[' -> brackets.push(']');
            case '{' -> brackets.push('}');
            case ')', ']', '}' -> {
                if (brackets.isEmpty() || brackets.pop() != c) {
                    throw TokenCursor.unexpected(token);
                }
            }
            default -> {
                // opens and closes nothing
            }
        }
        tokens.add(token);
        at++;
    }

    private void name() {
        int from = at;
        while (at < source.length() && Character.isUnicodeIdentifierPart(source.codePointAt(at))) {
            at += Character.charCount(source.codePointAt(at));
        }
        tokens.add(new Token(Token.Type.NAME, source.substring(from, at), null));
    }

    private void number() {
        int from = at;
        int base = source.charAt(at) == '0' && at + 2 < source.length() ? base(source.charAt(at + 1)) : 10;
        if (base != 10 && digitsEnd(at + 2, base) > at + 2) {
            at = digitsEnd(at + 2, base);
            number(source.substring(from + 2, at), base);
            return;
        }
        int end = digitsEnd(at, 10);
        boolean isMember = at > 0 && source.charAt(at - 1) == '.';
        int real = isMember ? end : exponentEnd(source.startsWith(".", end) ? Math.max(end, fractionEnd(end)) : end);
        if (real > end) {
            at = real;
            String text = source.substring(from, at).replace("_", "");
            tokens.add(new Token(Token.Type.NUMBER, text, Double.valueOf(text)));
            return;
        }
        // A zero before other digits is a number of its own, as in Python.
        at = source.charAt(from) == '0' && !source.substring(from, end).matches("[0_]+") ? from + 1 : end;
        number(source.substring(from, at), 10);
    }

    private static int base(char letter) {
        return switch (letter) {
            case 'b', 'B' -> 2;
            case 'o', 'O' -> 8;
            case 'x', 'X' -> 16;
            default -> 10;
        };
    }

    private void number(String digits, int base) {
        String text = digits.replace("_", "");
        tokens.add(new Token(Token.Type.NUMBER, text, PythonNumbers.normal(PythonNumbers.parsed(text, base))));
    }

    /** Behind digits with single underscores between them. */
    private int digitsEnd(int from, int base) {
        int end = from;
        while (end < source.length()) {
            int digit = source.charAt(end) == '_' && end + 1 < source.length() ? end + 1 : end;
            if (source.charAt(digit) >= 0x80 || Character.digit(source.charAt(digit), base) < 0) {
                break;
            }
            end = digit + 1;
        }
        return end;
    }

    private int fractionEnd(int point) {
        int end = digitsEnd(point + 1, 10);
        return end > point + 1 && source.charAt(point + 1) != '_' ? end : point;
    }

    private int exponentEnd(int from) {
        if (from >= source.length() || Character.toLowerCase(source.charAt(from)) != 'e') {
            return from;
        }
        boolean signed = from + 1 < source.length() && "+-".indexOf(source.charAt(from + 1)) >= 0;
        int digits = from + (signed ? 2 : 1);
        int end = digitsEnd(digits, 10);
        return end > digits && source.charAt(digits) != '_' ? end : from;
    }

    private void string(char quote) {
        StringBuilder out = new StringBuilder();
        at++;
        while (at < source.length() && source.charAt(at) != quote) {
            char c = source.charAt(at++);
            if (c == '\\' && at < source.length()) {
                escape(out);
            } else {
                out.append(c);
            }
        }
        if (at >= source.length()) {
            throw new UserErrorException("a text without its closing quote in a chat template");
        }
        at++;
        tokens.add(new Token(Token.Type.STRING, out.toString(), null));
    }

    private void escape(StringBuilder out) {
        char c = source.charAt(at++);
        switch (c) {
            case '\n' -> {
                // A line that goes on.
            }
            case '\\', '\'', '"' -> out.append(c);
            case 'n' -> out.append('\n');
            case 't' -> out.append('\t');
            case 'r' -> out.append('\r');
            case 'a' -> out.append('\u0007');
            case 'b' -> out.append('\b');
            case 'f' -> out.append('\f');
            case 'v' -> out.append('\u000b');
            case 'x' -> codePoint(out, 2);
            case 'u' -> codePoint(out, 4);
            case 'U' -> codePoint(out, 8);
            case 'N' -> throw new UserErrorException("a character by its name, \\N, in a chat template is not known");
            default -> {
                if (c >= '0' && c <= '7') {
                    octal(out);
                } else {
                    out.append('\\').append(c);
                }
            }
        }
    }

    private void octal(StringBuilder out) {
        int value = 0;
        at--;
        for (int i = 0; i < 3 && at < source.length() && source.charAt(at) >= '0' && source.charAt(at) <= '7'; i++) {
            value = value * 8 + source.charAt(at++) - '0';
        }
        out.appendCodePoint(value);
    }

    private void codePoint(StringBuilder out, int digits) {
        try {
            out.appendCodePoint(Integer.parseInt(source, at, at + digits, 16));
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw new UserErrorException(
                    "a character's number has " + digits + " hexadecimal digits in a chat template", e);
        }
        at += digits;
    }
}
