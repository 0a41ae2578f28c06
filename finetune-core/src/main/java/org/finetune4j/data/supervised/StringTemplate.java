package org.finetune4j.data.supervised;

import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Instruction;

/**
 * A prompt written as text with the placeholders <code>{instruction}</code> and <code>{input}</code>. As in Python's
 * {@code str.format}, <code>{{</code> and <code>}}</code> stand for single braces; braces in the records themselves are
 * never looked at.
 */
public final class StringTemplate implements PromptTemplate {

    private static final List<String> PLACEHOLDERS = List.of("instruction", "input");
    private static final Pattern TOKEN = Pattern.compile("\\{\\{|\\}\\}|\\{([^{}]*)\\}|[{}]");

    private final String withInput;
    private final String withoutInput;

    private StringTemplate(String withInput, String withoutInput) {
        this.withInput = checked(withInput);
        this.withoutInput = checked(withoutInput);
    }

    /**
     * One template for all records; an empty input leaves nothing in its place.
     *
     * @param template text with <code>{instruction}</code> and, if it likes, <code>{input}</code>
     * @return the template
     * @throws UserErrorException when <code>{instruction}</code> is missing, or a placeholder is unknown
     */
    public static StringTemplate of(String template) {
        return new StringTemplate(template, template);
    }

    /**
     * One template for records with an input and one for those without; see {@link #of(String)}.
     *
     * @param withInput text with <code>{instruction}</code> and <code>{input}</code>
     * @param withoutInput text with <code>{instruction}</code>
     * @return the template
     */
    public static StringTemplate of(String withInput, String withoutInput) {
        return new StringTemplate(withInput, withoutInput);
    }

    @Override
    public Optional<StringTemplate> text() {
        return Optional.of(this);
    }

    /** The text for records with an input. */
    String withInput() {
        return withInput;
    }

    /** The text for records without one. */
    String withoutInput() {
        return withoutInput;
    }

    @Override
    public String prompt(Instruction record) {
        String template = record.input().isEmpty() ? withoutInput : withInput;
        return TOKEN.matcher(template).replaceAll(match -> Matcher.quoteReplacement(text(match.group(), record)));
    }

    private static String text(String token, Instruction record) {
        return switch (token) {
            case "{{" -> "{";
            case "}}" -> "}";
            case "{instruction}" -> record.instruction();
            default -> record.input();
        };
    }

    private static String checked(String template) {
        boolean hasInstruction = false;
        Matcher matcher = TOKEN.matcher(template);
        while (matcher.find()) {
            String name = matcher.group(1);
            if (matcher.group().length() == 1) {
                throw new UserErrorException("prompt template: a single '" + matcher.group() + "' at character "
                        + matcher.start() + "; write it twice to mean the brace itself");
            }
            if (name != null && !PLACEHOLDERS.contains(name)) {
                throw new UserErrorException("prompt template: unknown placeholder '{" + name
                        + "}', expected {instruction} or {input}" + Suggestions.didYouMean(name, PLACEHOLDERS));
            }
            hasInstruction |= "instruction".equals(name);
        }
        if (!hasInstruction) {
            throw new UserErrorException("prompt template: {instruction} is missing");
        }
        return template;
    }
}
