package org.finetune4j.regex;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a pattern by the grammar of ECMA-262, as JSON Schema has it: over code points, and without what no automaton does (look-around,
 * references to groups, borders of words).
 */
final class EcmaSyntax {

    private static final int DEEPEST = 100;
    private static final int LONGEST = 10_000;
    private static final int MOST_REPETITIONS = 10_000;

    private static final CharacterSet LINE_ENDS = CharacterSet.of("\n\r\u2028\u2029");

    /** What it takes to ask for the category of every character, in steps of an automaton's making. */
    private static final long CATEGORY_STEPS = 100_000;

    private static final long COMPLEMENT_STEPS = 1000;

    private final String text;
    private final Map<String, CharacterSet> categories = new HashMap<>();
    private final long mostSteps;
    private long steps;
    private int at;
    private int depth;

    private EcmaSyntax(String text, long mostSteps) {
        this.text = text;
        this.mostSteps = mostSteps;
    }

    /**
     * A pattern and the steps that it took to read.
     *
     * @param steps what an automaton's making is measured in
     */
    record Parsed(PatternNode pattern, long steps) {}

    /** @throws PatternException when the text is no pattern, or one that is not done */
    static Parsed parse(String text, long mostSteps) {
        if (text.length() > LONGEST) {
            throw new PatternException("it has " + text.length() + " characters, at most " + LONGEST + " are read");
        }
        EcmaSyntax syntax = new EcmaSyntax(text, mostSteps);
        PatternNode whole = syntax.alternatives();
        if (syntax.at < text.length()) {
            throw syntax.error("unbalanced parenthesis");
        }
        return new Parsed(whole, syntax.steps);
    }

    private PatternNode alternatives() {
        if (++depth > DEEPEST) {
            throw error("it is nested too deeply");
        }
        List<PatternNode> all = new ArrayList<>(List.of(sequence()));
        while (next("|")) {
            all.add(sequence());
        }
        depth--;
        return all.size() == 1 ? all.get(0) : new PatternNode.Choice(all);
    }

    private PatternNode sequence() {
        List<PatternNode> parts = new ArrayList<>();
        while (at < text.length() && text.charAt(at) != '|' && text.charAt(at) != ')') {
            PatternNode item = item();
            parts.add(repeated(item));
        }
        return parts.size() == 1 ? parts.get(0) : new PatternNode.Sequence(parts);
    }

    private PatternNode item() {
        int c = character();
        return switch (c) {
            case '^' -> new PatternNode.Begin();
            case '$' -> new PatternNode.End();
            case '.' -> new PatternNode.One(complement(LINE_ENDS));
            case '(' -> group();
            case '[' -> new PatternNode.One(set());
            case '\\' -> new PatternNode.One(escape());
            case '*', '+', '?' -> throw error("nothing to repeat");
            default -> new PatternNode.One(CharacterSet.of(c, c));
        };
    }

    private PatternNode group() {
        if (next("?")) {
            if (next("<") && !next("=") && !next("!")) {
                int end = text.indexOf('>', at);
                if (end < 0) {
                    throw error("the name of a group has no end");
                }
                at = end + 1;
            } else if (!next(":")) {
                throw error("look-around and flags are not implemented");
            }
        }
        PatternNode inside = alternatives();
        if (!next(")")) {
            throw error("missing )");
        }
        return inside;
    }

    private PatternNode repeated(PatternNode item) {
        int least;
        int most;
        if (next("*")) {
            least = 0;
            most = -1;
        } else if (next("+")) {
            least = 1;
            most = -1;
        } else if (next("?")) {
            least = 0;
            most = 1;
        } else {
            int close = at < text.length() && text.charAt(at) == '{' ? text.indexOf('}', at) : -1;
            String inside = close < 0 ? "" : text.substring(at + 1, close);
            if (!inside.matches("\\d{1,6}(,\\d{0,6})?")) {
                return item; // a brace like any other character
            }
            at = close + 1;
            String[] bounds = inside.split(",", -1);
            least = Integer.parseInt(bounds[0]);
            most = bounds.length == 1 ? least : bounds[1].isEmpty() ? -1 : Integer.parseInt(bounds[1]);
            if (most >= 0 && most < least) {
                throw error("numbers out of order in a repetition");
            }
            if (Math.max(least, most) > MOST_REPETITIONS) {
                throw error("more than " + MOST_REPETITIONS + " repetitions");
            }
        }
        next("?"); // as few as possible: the same texts
        if (at < text.length() && "*+?".indexOf(text.charAt(at)) >= 0) {
            throw error("nothing to repeat");
        }
        return new PatternNode.Repeat(item, least, most);
    }

    private CharacterSet set() {
        boolean negated = next("^");
        List<CharacterSet> members = new ArrayList<>();
        while (!next("]")) {
            CharacterSet low = member();
            if (at + 1 < text.length() && text.charAt(at) == '-' && text.charAt(at + 1) != ']') {
                at++;
                CharacterSet high = member();
                if (!isOne(low) || !isOne(high) || low.first(0) > high.first(0)) {
                    throw error("bad range of characters");
                }
                low = CharacterSet.of(low.first(0), high.first(0));
            }
            members.add(low);
        }
        CharacterSet all = CharacterSet.union(members);
        return negated ? complement(all) : all;
    }

    private CharacterSet complement(CharacterSet set) {
        count(COMPLEMENT_STEPS);
        return set.complement();
    }

    private void count(long more) {
        steps += more;
        if (steps > mostSteps) {
            throw error("too many classes of characters");
        }
    }

    private static boolean isOne(CharacterSet set) {
        return set.size() == 1 && set.first(0) == set.last(0);
    }

    private CharacterSet member() {
        if (at >= text.length()) {
            throw error("a set of characters has no end");
        }
        int c = character();
        if (c != '\\') {
            return CharacterSet.of(c, c);
        }
        return next("b") ? CharacterSet.of('\b', '\b') : next("-") ? CharacterSet.of('-', '-') : escape();
    }

    /** What stands behind a backslash. */
    private CharacterSet escape() {
        if (at >= text.length()) {
            throw error("nothing behind a backslash");
        }
        int c = character();
        return switch (c) {
            case 'd' -> CharacterClasses.DIGITS;
            case 'D' -> complement(CharacterClasses.DIGITS);
            case 'w' -> CharacterClasses.WORD;
            case 'W' -> complement(CharacterClasses.WORD);
            case 's' -> CharacterClasses.SPACES;
            case 'S' -> complement(CharacterClasses.SPACES);
            case 'p' -> category();
            case 'P' -> complement(category());
            case 't' -> CharacterSet.of("\t");
            case 'n' -> CharacterSet.of("\n");
            case 'r' -> CharacterSet.of("\r");
            case 'f' -> CharacterSet.of("\f");
            case 'v' -> CharacterSet.of("\u000b");
            case 'x' -> one(hex(2));
            case 'u' -> unicode();
            case '0' -> CharacterSet.of(0, 0);
            default -> {
                if (c < 128 && Character.isLetterOrDigit(c)) {
                    throw error("'\\" + (char) c + "' is not implemented");
                }
                yield CharacterSet.of(c, c);
            }
        };
    }

    /** A character by its number, or by the two halves of its pair. */
    private CharacterSet unicode() {
        if (text.startsWith("{", at)) {
            return one(number(inBraces()));
        }
        int value = hex(4);
        if (Character.isHighSurrogate((char) value) && next("\\u")) {
            int second = hex(4);
            if (Character.isLowSurrogate((char) second)) {
                value = Character.toCodePoint((char) value, (char) second);
            }
        }
        return one(value);
    }

    private int hex(int digits) {
        if (at + digits > text.length()) {
            throw error("incomplete escape");
        }
        at += digits;
        return number(text.substring(at - digits, at));
    }

    private int number(String digits) {
        if (!digits.matches("[0-9a-fA-F]{1,6}") || !Character.isValidCodePoint(Integer.parseInt(digits, 16))) {
            throw error("bad escape");
        }
        return Integer.parseInt(digits, 16);
    }

    private CharacterSet one(int character) {
        if (character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE) {
            throw error("half of a pair is no character: write it as one");
        }
        return CharacterSet.of(character, character);
    }

    private CharacterSet category() {
        String name = text.startsWith("{", at) ? inBraces() : "";
        CharacterSet known = categories.get(name);
        if (known != null) {
            return known;
        }
        count(CATEGORY_STEPS);
        known = CharacterClasses.category(name);
        if (known == null) {
            throw error("'\\p{" + name + "}' is not implemented, general categories such as \\p{L} are");
        }
        categories.put(name, known);
        return known;
    }

    private String inBraces() {
        int end = text.indexOf('}', at);
        if (end < 0) {
            throw error("a brace has no end");
        }
        String inside = text.substring(at + 1, end);
        at = end + 1;
        return inside;
    }

    private int character() {
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        return c;
    }

    private boolean next(String wanted) {
        boolean there = text.startsWith(wanted, at);
        at += there ? wanted.length() : 0;
        return there;
    }

    private PatternException error(String reason) {
        return new PatternException(reason + " at position " + at);
    }
}
