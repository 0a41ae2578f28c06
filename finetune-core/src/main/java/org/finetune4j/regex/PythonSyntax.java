package org.finetune4j.regex;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Reasons;
import org.jspecify.annotations.Nullable;

/**
 * Reads a regular expression by the grammar of Python's {@code re} and writes it in a form that RE2/J and Java understand in
 * the same way: literals escaped, named groups by number. On the way it measures what the expression can cost.
 */
final class PythonSyntax {

    private static final int DEEPEST = 100;

    /** How large an expression may become when its repetitions are written out. */
    private static final int LARGEST = 10_000;

    private static final int MOST_REPETITIONS = 1000; // as RE2 has it

    private final String text;
    private final StringBuilder out = new StringBuilder();
    private final Map<String, Integer> names = new LinkedHashMap<>();
    private int at;
    private int depth;
    private int groups;
    private int size;
    private boolean backtracking;

    /** What Java's engine could do for ever without looking at a character. */
    private @Nullable String unbounded;

    private PythonSyntax(String text) {
        this.text = text;
    }

    static PythonSyntax parse(String text) throws InvalidExpression {
        if (text.length() > LARGEST) {
            throw new InvalidExpression("it has " + text.length() + " characters, at most " + LARGEST + " are read");
        }
        PythonSyntax syntax = new PythonSyntax(text);
        syntax.globalFlags();
        syntax.size = syntax.alternatives().size();
        if (syntax.at < text.length()) {
            throw syntax.error("unbalanced parenthesis");
        }
        if (syntax.backtracking && syntax.unbounded != null) {
            throw new InvalidExpression(syntax.unbounded + ", beside look-around or references to groups");
        }
        return syntax;
    }

    String translated() {
        return out.toString();
    }

    int size() {
        return size;
    }

    boolean needsBacktracking() {
        return backtracking;
    }

    Map<String, Integer> names() {
        return names;
    }

    /** What a part of an expression costs: its size with all repetitions written out, and whether it may match nothing. */
    private record Part(int size, boolean mayBeEmpty) {}

    private Part alternatives() throws InvalidExpression {
        if (++depth > DEEPEST) {
            throw error("it is nested too deeply");
        }
        Part all = sequence();
        boolean empty = all.mayBeEmpty();
        int size = all.size();
        while (next('|')) {
            out.append('|');
            Part branch = sequence();
            if (empty && branch.mayBeEmpty()) {
                unbounded = "more than one alternative may match nothing";
            }
            empty |= branch.mayBeEmpty();
            size = bounded(size + (long) branch.size());
        }
        depth--;
        return new Part(size, empty);
    }

    private Part sequence() throws InvalidExpression {
        long size = 1;
        boolean empty = true;
        while (at < text.length() && peek() != '|' && peek() != ')') {
            int start = at;
            if (range() != null) {
                throw error("nothing to repeat");
            }
            Part item = item();
            Part repeated = repetition(item, start);
            size = bounded(size + repeated.size());
            empty &= repeated.mayBeEmpty();
        }
        return new Part((int) size, empty);
    }

    private Part item() throws InvalidExpression {
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        switch (c) {
            case '.', '^', '$' -> {
                out.append((char) c);
                return new Part(1, c != '.');
            }
            case '(' -> {
                return group();
            }
            case '[' -> {
                new PythonCharacterSet(this).read();
                return new Part(1, false);
            }
            case '\\' -> {
                return escape();
            }
            default -> {
                literal(c);
                return new Part(1, false);
            }
        }
    }

    private Part repetition(Part item, int start) throws InvalidExpression {
        int from = at;
        int[] range = range();
        if (range == null) {
            return item;
        }
        if (item.size() == 0 || text.charAt(start) == '^' || text.charAt(start) == '$') {
            throw error("nothing to repeat");
        }
        if (Math.max(range[0], range[1]) > MOST_REPETITIONS) {
            throw error("more than " + MOST_REPETITIONS + " repetitions");
        }
        if (range[1] >= 0 && range[0] > range[1]) {
            throw error("min repeat greater than max repeat");
        }
        String written = text.substring(from, at);
        out.append(written.startsWith("{,") ? "{0," + written.substring(2) : written);
        if (next('?')) {
            out.append('?');
        } else if (next('+')) {
            out.append('+');
            backtracking = true;
        }
        if (range() != null) {
            throw error("multiple repeat");
        }
        if (item.mayBeEmpty()) {
            unbounded = "something that may match nothing is repeated";
        }
        int times = Math.max(1, Math.max(range[0], range[1]));
        return new Part(bounded((long) item.size() * times), item.mayBeEmpty() || range[0] == 0);
    }

    /** The numbers of repetitions that stand here, the second -1 where there is no limit; null when there are none. */
    private int @Nullable [] range() {
        if (next('*')) {
            return new int[] {0, -1};
        }
        if (next('+')) {
            return new int[] {1, -1};
        }
        if (next('?')) {
            return new int[] {0, 1};
        }
        int close = at < text.length() && peek() == '{' ? text.indexOf('}', at) : -1;
        if (close < 0) {
            return null;
        }
        String[] bounds = text.substring(at + 1, close).split(",", -1);
        boolean one = bounds.length == 1 && !bounds[0].isEmpty();
        if (!(one || bounds.length == 2) || !isNumber(bounds[0]) || !isNumber(bounds[bounds.length - 1])) {
            return null; // a brace like any other character
        }
        at = close + 1;
        int least = bounds[0].isEmpty() ? 0 : number(bounds[0]);
        String most = bounds[bounds.length - 1];
        return new int[] {least, most.isEmpty() ? -1 : number(most)};
    }

    private static boolean isNumber(String digits) {
        return digits.chars().allMatch(c -> c >= '0' && c <= '9');
    }

    private static int number(String digits) {
        return digits.length() > 9 ? Integer.MAX_VALUE : Integer.parseInt(digits);
    }

    private Part group() throws InvalidExpression {
        if (!next('?')) {
            return capturing("(");
        }
        if (next("P<")) {
            String name = name('>');
            if (names.putIfAbsent(name, groups + 1) != null) {
                throw error("redefinition of group name '" + name + "'");
            }
            return capturing("(");
        }
        if (next("P=")) {
            Integer number = names.get(name(')'));
            if (number == null) {
                throw error("unknown group name");
            }
            return reference(number);
        }
        if (next('#')) {
            int end = text.indexOf(')', at);
            if (end < 0) {
                throw error("missing ), unterminated comment");
            }
            at = end + 1;
            return new Part(0, true);
        }
        for (String kind : new String[] {"=", "!", "<=", "<!", ">"}) {
            if (next(kind)) {
                backtracking = true;
                Part inside = closed("(?" + kind);
                return new Part(inside.size(), !kind.equals(">") || inside.mayBeEmpty());
            }
        }
        if (at < text.length() && peek() == '(') {
            throw error("conditions are not supported");
        }
        String flags = flags();
        if (!next(':')) {
            throw error("global flags not at the start of the expression, or unknown extension");
        }
        return closed("(?" + flags + ":");
    }

    private Part capturing(String open) throws InvalidExpression {
        groups++;
        return closed(open);
    }

    private Part closed(String open) throws InvalidExpression {
        out.append(open);
        Part inside = alternatives();
        if (!next(')')) {
            throw error("missing ), unterminated subpattern");
        }
        out.append(')');
        return new Part(Math.max(1, inside.size()), inside.mayBeEmpty());
    }

    private Part reference(int number) throws InvalidExpression {
        if (number > groups) {
            throw error("invalid group reference " + number);
        }
        backtracking = true;
        out.append("(?:\\").append(number).append(')'); // in brackets: a digit may follow
        return new Part(1, true);
    }

    private String name(char end) throws InvalidExpression {
        int close = text.indexOf(end, at);
        String name = close < 0 ? "" : text.substring(at, close);
        if (name.isEmpty()
                || !Character.isJavaIdentifierStart(name.charAt(0))
                || name.chars().anyMatch(c -> c == '$' || !Character.isJavaIdentifierPart(c))) {
            throw error("bad character in group name");
        }
        at = close + 1;
        return name;
    }

    /** Flags for the whole expression, which stand at its start. */
    private void globalFlags() throws InvalidExpression {
        if (text.startsWith("(?")) {
            int start = at;
            at = 2;
            String flags = flags();
            if (!flags.isEmpty() && next(')')) {
                out.append("(?").append(flags).append(')');
            } else {
                at = start;
            }
        }
    }

    /** The flags that stand here, as far as they mean something for the names that are matched. */
    private String flags() throws InvalidExpression {
        StringBuilder flags = new StringBuilder();
        for (; at < text.length() && "aiLmsux-".indexOf(peek()) >= 0; at++) {
            if (peek() == 'x' || peek() == 'L') {
                throw error("the flag '" + peek() + "' is not supported");
            }
            if (peek() != 'a' && peek() != 'u') {
                flags.append(peek());
            }
        }
        return flags.toString();
    }

    private Part escape() throws InvalidExpression {
        if (at == text.length()) {
            throw error("bad escape (end of pattern)");
        }
        char c = peek();
        if (c >= '1' && c <= '9') {
            int end = at + (at + 1 < text.length() && Character.isDigit(text.charAt(at + 1)) ? 2 : 1);
            int number = Integer.parseInt(text, at, end, 10);
            at = end;
            return reference(number);
        }
        switch (c) {
            case 'A', 'b', 'B' -> out.append('\\').append(c);
            case 'Z' -> out.append("\\z");
            case 'd', 'D', 's', 'S', 'w', 'W' -> {
                out.append('\\').append(c);
                at++;
                return new Part(1, false);
            }
            default -> {
                literal(escapedCharacter());
                return new Part(1, false);
            }
        }
        at++;
        return new Part(1, true);
    }

    /** The character that the escape sequence behind a backslash stands for. */
    int escapedCharacter() throws InvalidExpression {
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        switch (c) {
            case 'a' -> {
                return 7;
            }
            case 'f' -> {
                return '\f';
            }
            case 'n' -> {
                return '\n';
            }
            case 'r' -> {
                return '\r';
            }
            case 't' -> {
                return '\t';
            }
            case 'v' -> {
                return 11;
            }
            case 'x' -> {
                return digits(2, 2, 16);
            }
            case 'u' -> {
                return digits(4, 4, 16);
            }
            case 'U' -> {
                return digits(8, 8, 16);
            }
            case '0' -> {
                return digits(0, 2, 8);
            }
            default -> {
                if (c < 128 && Character.isLetterOrDigit(c)) {
                    throw error("bad escape \\" + (char) c);
                }
                return c;
            }
        }
    }

    private int digits(int least, int most, int radix) throws InvalidExpression {
        int end = at;
        while (end < text.length() && end < at + most && Character.digit(text.charAt(end), radix) >= 0) {
            end++;
        }
        if (end - at < least) {
            throw error("incomplete escape");
        }
        long value = end == at ? 0 : Long.parseLong(text, at, end, radix);
        at = end;
        if (!Character.isValidCodePoint((int) Math.min(value, Integer.MAX_VALUE))) {
            throw error("bad escape");
        }
        return (int) value;
    }

    /** Writes a character that stands for itself. */
    void literal(int c) {
        if (c < 128 && !Character.isLetterOrDigit(c)) {
            out.append(c < ' ' || c == 127 ? String.format("\\x{%x}", c) : "\\" + (char) c);
        } else {
            out.appendCodePoint(c);
        }
    }

    /** Writes what both engines read alike. */
    void write(String translated) {
        out.append(translated);
    }

    boolean atEnd() {
        return at >= text.length();
    }

    char peek() {
        return text.charAt(at);
    }

    int character() {
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        return c;
    }

    boolean next(char wanted) {
        return next(String.valueOf(wanted));
    }

    boolean next(String wanted) {
        boolean there = text.startsWith(wanted, at);
        at += there ? wanted.length() : 0;
        return there;
    }

    private int bounded(long size) throws InvalidExpression {
        if (size > LARGEST) {
            throw error("it is too large: its repetitions stand for more than " + LARGEST + " parts");
        }
        return (int) size;
    }

    InvalidExpression error(String reason) {
        return new InvalidExpression(reason + " at position " + at);
    }

    /** The text is not an expression, or one that is not supported. */
    static final class InvalidExpression extends Exception {

        private static final long serialVersionUID = 1L;

        InvalidExpression(String message) {
            super(Reasons.oneLine(message));
        }
    }
}
