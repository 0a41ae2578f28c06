package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * A hard prompt as in FLAN (Wei et al., 2021): two texts with placeholders for a record's fields, which become the
 * prompt and the answer. <code>{name}</code> stands for a field, <code>{name_}</code> for a list of options with FLAN's
 * heading, and double braces for single ones. A dataset may have several; the seed chooses one for each record.
 *
 * @param inputs the prompt
 * @param targets the answer
 */
public record FieldTemplate(String inputs, String targets) {

    private static final Pattern TOKEN = Pattern.compile("\\{\\{|\\}\\}|\\{([^{}]+)\\}");

    /**
     * Looks for placeholders.
     *
     * @param inputs the prompt
     * @param targets the answer
     * @throws UserErrorException when there is none
     */
    public FieldTemplate {
        if (!TOKEN.matcher(inputs).find() && !TOKEN.matcher(targets).find()) {
            throw new UserErrorException("a template needs a placeholder such as {question}, got \"" + inputs + "\"");
        }
    }

    /**
     * Fills in a record's fields.
     *
     * @param record with a value for every placeholder
     * @return the prompt and the answer
     * @throws UserErrorException when the record lacks a field
     */
    public PromptCompletion apply(JsonNode record) {
        return new PromptCompletion(fill(inputs, record), fill(targets, record));
    }

    private static String fill(String template, JsonNode record) {
        return TOKEN.matcher(template).replaceAll(match -> {
            String name = match.group(1);
            String text = name == null ? match.group().substring(1) : field(record, name);
            return Matcher.quoteReplacement(text);
        });
    }

    private static String field(JsonNode record, String name) {
        boolean heading = name.endsWith("_") && !record.has(name);
        String key = heading ? name.substring(0, name.length() - 1) : name;
        JsonNode value = record.path(key);
        if (value.isArray()) {
            StringBuilder options = new StringBuilder(heading ? "OPTIONS:" : "");
            for (JsonNode option : value) {
                options.append(options.isEmpty() ? "- " : "\n- ").append(option.asText());
            }
            return options.toString();
        }
        if (!value.isValueNode() || value.isNull()) {
            List<String> keys = new ArrayList<>();
            record.fieldNames().forEachRemaining(keys::add);
            throw new UserErrorException("the record has no '" + key + "', which a template names"
                    + Suggestions.nearest(key, keys)
                            .map(near -> ", but a '" + near + "'")
                            .orElse("; its keys are " + keys));
        }
        return value.asText();
    }
}
