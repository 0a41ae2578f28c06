package org.finetune4j.model.chat.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Splits what stands between the braces of a tag into the tokens that Jinja2 sees there. */
final class JinjaLexer {

    enum Type {
        NAME,
        STRING,
        NUMBER,
        OPERATOR,
        END
    }

    /**
     * A token.
     *
     * @param text as written; of a text what it stands for
     * @param value of a number
     */
    record Token(Type type, String text, @Nullable Object value) {

        boolean is(String operatorOrName) {
            return (type == Type.OPERATOR || type == Type.NAME) && text.equals(operatorOrName);
        }
    }

    private static final List<String> LONG_OPERATORS = List.of("//", "**", "==", "!=", ">=", "<=");
    private static final String OPERATORS = "+-*/%~[](){}><=.:|,;";

    private final String code;
    private final List<Token> tokens = new ArrayList<>();
    private int at;

    private JinjaLexer(String code) {
        this.code = code;
    }

    /** @throws UserErrorException where something is no token */
    static List<Token> tokens(String code) {
        return new JinjaLexer(code).read();
    }

    private List<Token> read() {
        while (at < code.length()) {
            char c = code.charAt(at);
            if (PythonText.isSpace(c)) {
                at++;
            } else if (c == '\'' || c == '"') {
                string(c);
            } else if (c >= '0' && c <= '9') {
                number();
            } else if (Character.isUnicodeIdentifierStart(c) || c == '_') {
                name();
            } else {
                operator(c);
            }
        }
        tokens.add(new Token(Type.END, "end of the tag", null));
        return tokens;
    }

    private void operator(char c) {
        for (String operator : LONG_OPERATORS) {
            if (code.startsWith(operator, at)) {
                tokens.add(new Token(Type.OPERATOR, operator, null));
                at += operator.length();
                return;
            }
        }
        if (OPERATORS.indexOf(c) < 0) {
            throw new UserErrorException("unexpected '" + c + "'");
        }
        tokens.add(new Token(Type.OPERATOR, String.valueOf(c), null));
        at++;
    }

    private void name() {
        int from = at;
        while (at < code.length() && Character.isUnicodeIdentifierPart(code.charAt(at))) {
            at++;
        }
        tokens.add(new Token(Type.NAME, code.substring(from, at), null));
    }

    private void number() {
        int from = at;
        if (code.startsWith("0x", at) || code.startsWith("0X", at)) {
            at += 2;
            digits("0123456789abcdefABCDEF");
            integer(code.substring(from + 2, at), 16);
            return;
        }
        digits("0123456789");
        boolean member = !tokens.isEmpty() && tokens.get(tokens.size() - 1).is(".");
        boolean real = false;
        if (!member && at + 1 < code.length() && code.charAt(at) == '.' && isDigit(at + 1)) {
            at++;
            digits("0123456789");
            real = true;
        }
        if (!member && at + 1 < code.length() && (code.charAt(at) == 'e' || code.charAt(at) == 'E')) {
            int sign = code.charAt(at + 1) == '+' || code.charAt(at + 1) == '-' ? 1 : 0;
            if (isDigit(at + 1 + sign)) {
                at += 1 + sign;
                digits("0123456789");
                real = true;
            }
        }
        String text = code.substring(from, at).replace("_", "");
        if (real) {
            tokens.add(new Token(Type.NUMBER, text, Double.valueOf(text)));
        } else {
            integer(text, 10);
        }
    }

    private void integer(String digits, int base) {
        BigInteger value = new BigInteger(digits.replace("_", ""), base);
        tokens.add(new Token(Type.NUMBER, digits, PythonNumbers.normal(value)));
    }

    private void digits(String allowed) {
        while (at < code.length() && (allowed.indexOf(code.charAt(at)) >= 0 || code.charAt(at) == '_')) {
            at++;
        }
    }

    private boolean isDigit(int index) {
        return index < code.length() && code.charAt(index) >= '0' && code.charAt(index) <= '9';
    }

    private void string(char quote) {
        StringBuilder out = new StringBuilder();
        at++;
        while (at < code.length() && code.charAt(at) != quote) {
            char c = code.charAt(at++);
            if (c == '\\' && at < code.length()) {
                escape(out);
            } else {
                out.append(c);
            }
        }
        if (at >= code.length()) {
            throw new UserErrorException("a text without its closing quote");
        }
        at++;
        tokens.add(new Token(Type.STRING, out.toString(), null));
    }

    private void escape(StringBuilder out) {
        char c = code.charAt(at++);
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
            case 'N' -> throw new UserErrorException("a character by its name, \\N, is not known");
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
        for (int i = 0; i < 3 && at < code.length() && code.charAt(at) >= '0' && code.charAt(at) <= '7'; i++) {
            value = value * 8 + code.charAt(at++) - '0';
        }
        out.appendCodePoint(value);
    }

    private void codePoint(StringBuilder out, int digits) {
        try {
            out.appendCodePoint(Integer.parseInt(code.substring(at, at + digits), 16));
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw new UserErrorException("a character's number has " + digits + " hexadecimal digits", e);
        }
        at += digits;
    }
}
