package org.finetune4j.regex;

import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * A regular expression as Python's {@code re} reads it, from a file that may be hostile. RE2/J matches it in linear time.
 * What RE2 does not have (look-around, references to groups, atomic groups) is left to Java's engine, which stops after
 * {@value #STEPS} characters that it looked at. Classes such as {@code \w} mean ASCII, as names of modules are.
 */
public final class RegularExpression {

    /** How many characters Java's engine may look at in one match. */
    static final int STEPS = 100_000;

    /** How large all kept expressions together may be. */
    private static final long KEPT_PARTS = 500_000;

    /** Expressions are asked for once a module: as Python does, those that were read lately are kept. */
    private static final Cache<String, RegularExpression> READ = CacheBuilder.newBuilder()
            .maximumWeight(KEPT_PARTS)
            .concurrencyLevel(1)
            .weigher((String text, RegularExpression expression) -> text.length() + expression.size)
            .build();

    private final String text;
    private final int size;
    private final Map<String, Integer> names;
    private final com.google.re2j.@Nullable Pattern linear;
    private final @Nullable Pattern backtracking;

    private RegularExpression(String text, PythonSyntax syntax) {
        this.text = text;
        this.size = syntax.size();
        this.names = syntax.names();
        this.linear = syntax.needsBacktracking() ? null : com.google.re2j.Pattern.compile(syntax.translated());
        this.backtracking =
                syntax.needsBacktracking() ? Pattern.compile(syntax.translated(), Pattern.UNIX_LINES) : null;
    }

    /**
     * Reads an expression.
     *
     * @param setting the name of the setting that it is the value of, for messages
     * @param text the expression, in Python's syntax
     * @return the expression, ready to match
     * @throws UserErrorException when the text is not an expression, or is one that cannot be matched within bounds
     */
    public static RegularExpression compile(String setting, String text) {
        RegularExpression known = READ.getIfPresent(text);
        if (known != null) {
            return known;
        }
        try {
            RegularExpression read = new RegularExpression(text, PythonSyntax.parse(text));
            READ.put(text, read);
            return read;
        } catch (PythonSyntax.InvalidExpression
                | com.google.re2j.PatternSyntaxException
                | PatternSyntaxException
                | StackOverflowError e) {
            String reason = e instanceof StackOverflowError ? "it is nested too deeply" : Reasons.of(e);
            throw new UserErrorException(
                    setting + ": '" + Reasons.excerpt(text) + "' is not a regular expression: " + reason, e);
        }
    }

    /**
     * Python's {@code re.fullmatch}.
     *
     * @param input the text to look at
     * @return whether all of the text matches
     * @throws UserErrorException when matching takes too many steps
     */
    public boolean fullMatch(String input) {
        return linear != null ? linear.matcher(input).matches() : bounded(input, Matcher::matches);
    }

    /**
     * Python's {@code re.search}.
     *
     * @param input the text to look at
     * @return whether some part of the text matches
     * @throws UserErrorException when matching takes too many steps
     */
    public boolean search(String input) {
        return linear != null ? linear.matcher(input).find() : bounded(input, Matcher::find);
    }

    /**
     * Python's {@code re.match}.
     *
     * @param input the text to look at
     * @return whether the text begins with a match
     * @throws UserErrorException when matching takes too many steps
     */
    public boolean match(String input) {
        return linear != null ? linear.matcher(input).lookingAt() : bounded(input, Matcher::lookingAt);
    }

    /**
     * What a named group holds after Python's {@code re.match}.
     *
     * @param input the text to look at
     * @param name the name of a group of this expression
     * @return the group's text; empty when the text does not begin with a match, or the group is not part of it
     * @throws UserErrorException when matching takes too many steps
     */
    public Optional<String> group(String input, String name) {
        Integer number = names.get(name);
        if (number == null) {
            throw new IllegalArgumentException("no group '" + name + "' in " + text);
        }
        if (linear != null) {
            com.google.re2j.Matcher matcher = linear.matcher(input);
            return matcher.lookingAt() ? Optional.ofNullable(matcher.group(number)) : Optional.empty();
        }
        return bounded(
                input, matcher -> matcher.lookingAt() ? Optional.ofNullable(matcher.group(number)) : Optional.empty());
    }

    private <T> T bounded(String input, Function<Matcher, T> match) {
        try {
            return match.apply(Objects.requireNonNull(backtracking).matcher(new CountedCharacters(input, STEPS)));
        } catch (CountedCharacters.Exhausted | StackOverflowError e) {
            throw new UserErrorException(
                    "the regular expression '" + Reasons.excerpt(text) + "' takes more than " + STEPS
                            + " steps to match '" + Reasons.excerpt(input)
                            + "'; write it without nested repetitions or without look-around",
                    e);
        }
    }

    /**
     * How much a match costs: a character is compared with at most so many parts of the expression.
     *
     * @return the number of parts with all repetitions written out
     */
    public int size() {
        return size;
    }

    /** The expression as it was written. */
    @Override
    public String toString() {
        return text;
    }
}
