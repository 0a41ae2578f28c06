package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Applies Jinja2's rules of white space to a template's source, with {@code trim_blocks} and {@code lstrip_blocks} on as
 * transformers has them: the renderer knows neither the minus of <code>{{- -}}</code> nor these rules exactly, so tags leave
 * here without either. Comments are left out.
 */
final class JinjaSource {

    /** A piece of the source: text between tags, or a tag with its braces. */
    private record Piece(Kind kind, String body, char opening, char closing) {
        static Piece text(String body) {
            return new Piece(Kind.TEXT, body, ' ', ' ');
        }
    }

    private enum Kind {
        TEXT("", ""),
        EXPRESSION("{{", "}}"),
        BLOCK("{%", "%}"),
        COMMENT("{#", "#}"),
        RAW("{%", "%}");

        private final String open;
        private final String close;

        Kind(String open, String close) {
            this.open = open;
            this.close = close;
        }
    }

    private static final Pattern END_OF_RAW = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%\\}");

    private JinjaSource() {}

    /**
     * The source with the same meaning and no white space left to remove.
     *
     * @throws UserErrorException when Jinja2 would not read it either, or a block is not known
     */
    static JinjaTemplate normalize(String source) {
        String unix = source.replace("\r\n", "\n").replace('\r', '\n');
        List<Piece> pieces = split(unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix);
        TemplateConstants constants = new TemplateConstants();
        JinjaStatement statements = new JinjaStatement(constants);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            Piece before = i == 0 ? null : pieces.get(i - 1);
            Piece after = i + 1 < pieces.size() ? pieces.get(i + 1) : null;
            switch (piece.kind) {
                case TEXT -> out.append(text(stripped(piece.body, before, after), constants));
                case EXPRESSION ->
                    out.append("{{ __out(")
                            .append(JinjaExpression.rewrite(piece.body, constants))
                            .append(") }}");
                case BLOCK -> out.append(statements.rewrite(piece.body));
                case COMMENT, RAW -> {
                    // says nothing itself
                }
            }
        }
        statements.finish();
        return new JinjaTemplate(out.toString(), constants);
    }

    /** Braces of the text are not to be read as those of a tag. */
    private static String text(String text, TemplateConstants constants) {
        return text.indexOf('{') < 0 ? text : "{{ " + constants.expression(text) + " }}";
    }

    private static List<Piece> split(String source) {
        List<Piece> pieces = new ArrayList<>();
        int at = 0;
        while (at < source.length()) {
            int open = nextTag(source, at);
            if (open < 0) {
                break;
            }
            pieces.add(Piece.text(source.substring(at, open)));
            Kind kind = kindAt(source, open);
            int close = endOfTag(source, open + 2, kind);
            if (close < 0) {
                throw new UserErrorException("a '" + kind.open + "' is never closed");
            }
            String inner = source.substring(open + 2, close);
            char opening = inner.isEmpty() ? ' ' : inner.charAt(0);
            char closing = inner.isEmpty() ? ' ' : inner.charAt(inner.length() - 1);
            boolean opens = opening == '-' || opening == '+';
            boolean closes = inner.length() > (opens ? 1 : 0) && (closing == '-' || closing == '+');
            String body = inner.substring(opens ? 1 : 0, inner.length() - (closes ? 1 : 0));
            at = close + 2;
            if (kind == Kind.BLOCK && body.strip().equals("raw")) {
                // A line break behind it stays.
                pieces.add(new Piece(Kind.RAW, body, opens ? opening : ' ', closes && closing == '-' ? '-' : '+'));
                at = raw(source, at, pieces);
            } else {
                pieces.add(new Piece(kind, body, opens ? opening : ' ', closes ? closing : ' '));
            }
        }
        pieces.add(Piece.text(source.substring(at)));
        return pieces;
    }

    /** Takes what is not to be read as a template, up to the end that says so. */
    private static int raw(String source, int from, List<Piece> pieces) {
        Matcher end = END_OF_RAW.matcher(source);
        if (!end.find(from)) {
            throw new UserErrorException("'raw' has no end");
        }
        pieces.add(Piece.text(source.substring(from, end.start())));
        pieces.add(new Piece(Kind.RAW, "endraw", sign(end.group(1)), sign(end.group(2))));
        return end.end();
    }

    private static char sign(String text) {
        return text.isEmpty() ? ' ' : text.charAt(0);
    }

    private static int nextTag(String source, int from) {
        for (int i = from; i + 1 < source.length(); i++) {
            if (source.charAt(i) == '{' && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    private static Kind kindAt(String source, int at) {
        return switch (source.charAt(at + 1)) {
            case '{' -> Kind.EXPRESSION;
            case '%' -> Kind.BLOCK;
            default -> Kind.COMMENT;
        };
    }

    /** Where the tag closes, not counting what quotes hold, or braces of maps inside an expression. */
    private static int endOfTag(String source, int from, Kind kind) {
        if (kind == Kind.COMMENT) {
            return source.indexOf(kind.close, from);
        }
        char quote = 0;
        int braces = 0;
        for (int i = from; i + 1 < source.length(); i++) {
            char c = source.charAt(i);
            if (quote != 0) {
                if (c == '\\') {
                    i++;
                } else if (c == quote) {
                    quote = 0;
                }
            } else if (c == '\'' || c == '"') {
                quote = c;
            } else if (braces == 0 && source.startsWith(kind.close, i)) {
                return i;
            } else if (c == '{') {
                braces++;
            } else if (c == '}') {
                braces--;
            }
        }
        return -1;
    }

    private static String stripped(String text, @Nullable Piece before, @Nullable Piece after) {
        String result = text;
        if (after != null) {
            if (after.opening == '-') {
                result = PythonText.stripTrailing(result);
            } else if (after.opening != '+' && after.kind != Kind.EXPRESSION) {
                result = withoutIndent(result, before == null);
            }
        }
        if (before != null) {
            if (before.closing == '-') {
                result = PythonText.stripLeading(result);
            } else if (before.closing != '+' && before.kind != Kind.EXPRESSION && result.startsWith("\n")) {
                result = result.substring(1);
            }
        }
        return result;
    }

    /** lstrip_blocks: blanks between the start of a line and a block go. */
    private static String withoutIndent(String text, boolean startsTemplate) {
        int line = text.lastIndexOf('\n') + 1;
        boolean atLineStart = line > 0 || startsTemplate;
        return atLineStart && PythonText.isBlank(text.substring(line)) ? text.substring(0, line) : text;
    }
}
