package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The methods of Python's {@code str}. */
final class PythonTextMethods {

    private static final Set<String> NAMES = Set.of(
            "strip",
            "lstrip",
            "rstrip",
            "upper",
            "lower",
            "casefold",
            "title",
            "capitalize",
            "swapcase",
            "startswith",
            "endswith",
            "find",
            "rfind",
            "index",
            "rindex",
            "count",
            "replace",
            "split",
            "rsplit",
            "splitlines",
            "join",
            "format",
            "format_map",
            "isdigit",
            "isdecimal",
            "isnumeric",
            "isalpha",
            "isalnum",
            "isupper",
            "islower",
            "isspace",
            "istitle",
            "zfill",
            "ljust",
            "rjust",
            "center",
            "partition",
            "rpartition",
            "removeprefix",
            "removesuffix",
            "encode",
            "expandtabs",
            "translate",
            "isidentifier",
            "isprintable",
            "isascii",
            "maketrans");

    private final String text;
    private final TemplateArguments given;
    private final RenderBudget budget;

    private PythonTextMethods(String text, TemplateArguments given) {
        this.text = text;
        this.given = given;
        this.budget = given.budget();
    }

    /**
     * What a method of a text gives.
     *
     * @throws UserErrorException when it is not known here
     */
    static Object call(String text, String method, TemplateArguments given) {
        given.budget().read(text.length());
        Object result = new PythonTextMethods(text, given).call(method);
        if (result instanceof String made) {
            given.budget().text(made.length());
        }
        return result;
    }

    static boolean exists(String method) {
        return NAMES.contains(method);
    }

    private Object call(String method) {
        return switch (method) {
            case "strip" -> stripped(true, true);
            case "lstrip" -> stripped(true, false);
            case "rstrip" -> stripped(false, true);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "title" -> titled();
            case "capitalize" -> capitalized(text);
            case "startswith" -> affix(text::startsWith);
            case "endswith" -> affix(text::endsWith);
            case "find", "index" -> found(search("sub").in(text, start(1)), method);
            case "rfind", "rindex" -> found(TextSearch.last(text, given.text(0, "sub")), method);
            case "count" -> count(given.text(0, "sub"));
            case "replace" ->
                replaced(text, given.text(0, "old"), given.text(1, "new"), given.integer(2, "count", -1), budget);
            case "split" -> split(given.optionalText(0, "sep"), given.integer(1, "maxsplit", -1));
            case "rsplit" -> splitFromRight(given.optionalText(0, "sep"), given.integer(1, "maxsplit", -1));
            case "splitlines" -> lines(text, given.truth(0, "keepends", false), budget);
            case "join" -> joined();
            case "format" -> PythonFormat.braces(text, given);
            case "partition" -> partition(search("sep").in(text, 0), true);
            case "rpartition" -> partition(TextSearch.last(text, given.text(0, "sep")), false);
            case "removeprefix" ->
                text.startsWith(given.text(0, "prefix"))
                        ? text.substring(given.text(0, "prefix").length())
                        : text;
            case "removesuffix" ->
                text.endsWith(given.text(0, "suffix"))
                        ? text.substring(
                                0, text.length() - given.text(0, "suffix").length())
                        : text;
            case "ljust" -> text + padding(given.integer(0, "width", 0));
            case "rjust" -> padding(given.integer(0, "width", 0)) + text;
            case "zfill" -> zeros();
            case "isdecimal" -> all(Character::isDigit);
            case "isdigit" -> all(c -> Character.isDigit(c) || (isOtherNumber(c) && isOneDigit(c)));
            case "isnumeric" ->
                all(c -> Character.isDigit(c) || isOtherNumber(c) || Character.getType(c) == Character.LETTER_NUMBER);
            case "isalpha" -> all(Character::isLetter);
            case "isalnum" -> all(Character::isLetterOrDigit);
            case "isspace" -> all(PythonText::isSpace);
            case "isascii" -> text.chars().allMatch(c -> c < 0x80);
            case "isupper" -> isCase(text.toUpperCase(Locale.ROOT));
            case "islower" -> isCase(text.toLowerCase(Locale.ROOT));
            default ->
                throw new UserErrorException(
                        "the chat template calls '" + method + "' on a 'str', which is not known here");
        };
    }

    private TextSearch search(String name) {
        return new TextSearch(given.text(0, name));
    }

    private int start(int place) {
        int start = given.integer(place, "start", 0);
        return text.offsetByCodePoints(0, Math.min(Math.max(start, 0), text.codePointCount(0, text.length())));
    }

    private Object found(int at, String method) {
        if (at < 0 && method.endsWith("index")) {
            throw new UserErrorException("the chat template asks where a text is: not in the other");
        }
        return at < 0 ? -1L : (long) text.codePointCount(0, at);
    }

    private String stripped(boolean left, boolean right) {
        String characters = given.optionalText(0, "chars");
        IntPredicate strips = characters == null ? PythonText::isSpace : c -> characters.indexOf(c) >= 0;
        int from = 0;
        int to = text.length();
        while (left && from < to && strips.test(text.codePointAt(from))) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (right && to > from && strips.test(text.codePointBefore(to))) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    static String capitalized(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.offsetByCodePoints(0, 1);
        return text.substring(0, first).toUpperCase(Locale.ROOT)
                + text.substring(first).toLowerCase(Locale.ROOT);
    }

    private String titled() {
        StringBuilder out = new StringBuilder();
        boolean inWord = false;
        for (int c : text.codePoints().toArray()) {
            out.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
            inWord = Character.isLetter(c);
        }
        return out.toString();
    }

    private boolean affix(Predicate<String> test) {
        if (given.required(0, "prefix") instanceof PythonTuple any) {
            return any.stream().anyMatch(affix -> affix instanceof CharSequence && test.test(affix.toString()));
        }
        return test.test(given.text(0, "prefix"));
    }

    private long count(String part) {
        if (part.isEmpty()) {
            return PythonValues.length(text) + 1;
        }
        long count = 0;
        TextSearch search = new TextSearch(part);
        for (int at = search.in(text, 0); at >= 0; at = search.in(text, at + part.length())) {
            count++;
        }
        return count;
    }

    static String replaced(String text, String old, String replacement, int count, RenderBudget budget) {
        StringBuilder out = new StringBuilder();
        TextSearch search = new TextSearch(old);
        int from = 0;
        int at = search.in(text, 0);
        for (int done = 0; at >= 0 && (count < 0 || done < count); done++) {
            budget.write((long) at - from + replacement.length());
            out.append(text, from, at).append(replacement);
            from = at + old.length();
            if (old.isEmpty() && at >= text.length()) {
                break;
            }
            at = search.in(text, old.isEmpty() ? text.offsetByCodePoints(at, 1) : from);
        }
        return out.append(text, from, text.length()).toString();
    }

    private void add(List<@Nullable Object> parts, String part) {
        budget.elements(1);
        budget.text(part.length());
        parts.add(part);
    }

    private List<@Nullable Object> split(@Nullable String separator, int limit) {
        List<@Nullable Object> parts = new ArrayList<>();
        if (separator == null) {
            int at = behindSpace(0);
            while (at < text.length()) {
                int end = at;
                while (end < text.length() && !PythonText.isSpace(text.charAt(end))) {
                    end++;
                }
                if (limit >= 0 && parts.size() == limit) {
                    end = text.length();
                }
                add(parts, text.substring(at, end));
                at = behindSpace(end);
            }
            return parts;
        }
        return split(text, separator, limit);
    }

    private List<@Nullable Object> split(String whole, String separator, int limit) {
        checkSeparator(separator);
        List<@Nullable Object> parts = new ArrayList<>();
        TextSearch search = new TextSearch(separator);
        int from = 0;
        for (int at = search.in(whole, 0);
                at >= 0 && (limit < 0 || parts.size() < limit);
                at = search.in(whole, from)) {
            add(parts, whole.substring(from, at));
            from = at + separator.length();
        }
        add(parts, whole.substring(from));
        return parts;
    }

    private int behindSpace(int from) {
        int at = from;
        while (at < text.length() && PythonText.isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    private List<@Nullable Object> splitFromRight(@Nullable String separator, int limit) {
        if (limit < 0) {
            return split(separator, limit);
        }
        if (separator == null) {
            throw new UserErrorException(
                    "the chat template calls 'rsplit' without a separator, which is not known here");
        }
        // Seen in a mirror, it is a split from the left.
        List<@Nullable Object> parts = split(TextSearch.mirrored(text), TextSearch.mirrored(separator), limit);
        parts.replaceAll(part -> TextSearch.mirrored(String.valueOf(part)));
        Collections.reverse(parts);
        return parts;
    }

    private static void checkSeparator(String separator) {
        if (separator.isEmpty()) {
            throw new UserErrorException("the chat template splits a text at an empty separator");
        }
    }

    static List<@Nullable Object> lines(String text, boolean withEnds, RenderBudget budget) {
        List<@Nullable Object> lines = new ArrayList<>();
        int from = 0;
        while (from < text.length()) {
            int end = from;
            while (end < text.length() && !endsLine(text.charAt(end))) {
                end++;
            }
            int next = Math.min(end + (text.startsWith("\r\n", end) ? 2 : 1), text.length());
            budget.elements(1);
            budget.text(end - from);
            lines.add(text.substring(from, withEnds ? next : end));
            from = next;
        }
        return lines;
    }

    private static boolean endsLine(char c) {
        return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    }

    private String joined() {
        StringBuilder out = new StringBuilder();
        Iterator<@Nullable Object> parts = PythonValues.iterator(given.required(0, "iterable"));
        for (boolean first = true; parts.hasNext(); first = false) {
            Object part = parts.next();
            if (!(part instanceof CharSequence joined)) {
                throw new UserErrorException(
                        "the chat template joins a '" + PythonValues.typeName(part) + "': only texts can be");
            }
            budget.write((first ? 1L : text.length() + 1L) + joined.length());
            out.append(first ? "" : text).append(joined);
        }
        return out.toString();
    }

    private PythonTuple partition(int at, boolean restLast) {
        String separator = given.text(0, "sep");
        checkSeparator(separator);
        if (at < 0) {
            return restLast ? PythonTuple.of(text, "", "") : PythonTuple.of("", "", text);
        }
        return PythonTuple.of(text.substring(0, at), separator, text.substring(at + separator.length()));
    }

    private String padding(int width) {
        String fill = given.has(1, "fillchar") ? given.text(1, "fillchar") : " ";
        if (PythonValues.length(fill) != 1) {
            throw new UserErrorException("the chat template fills a text up with what is not one character");
        }
        int missing = (int) Math.max(0, width - PythonValues.length(text));
        budget.write((long) missing * fill.length());
        return fill.repeat(missing);
    }

    private String zeros() {
        int missing = (int) Math.max(0, given.integer(0, "width", 0) - PythonValues.length(text));
        budget.write(missing);
        String zeros = "0".repeat(missing);
        boolean signed = text.startsWith("-") || text.startsWith("+");
        return signed ? text.charAt(0) + zeros + text.substring(1) : zeros + text;
    }

    /** Superscripts, subscripts and circled digits; letters, to which Java gives values too, are not asked for. */
    @SuppressWarnings("CharacterGetNumericValue")
    private static boolean isOneDigit(int c) {
        return Character.getNumericValue(c) >= 0 && Character.getNumericValue(c) <= 9;
    }

    private static boolean isOtherNumber(int c) {
        return Character.getType(c) == Character.OTHER_NUMBER;
    }

    private boolean all(IntPredicate test) {
        return !text.isEmpty() && text.codePoints().allMatch(test);
    }

    private boolean isCase(String changed) {
        boolean hasCase = text.codePoints().anyMatch(c -> Character.isUpperCase(c) || Character.isLowerCase(c));
        return hasCase && text.equals(changed);
    }
}
