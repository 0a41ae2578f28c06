package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.jspecify.annotations.Nullable;

/**
 * OpenAI's {@code response_format} as grammars. Those of the schemas that came last are kept with what was found out about them; several
 * threads may ask.
 */
final class ResponseFormats {

    private static final String FIELD = "response_format";

    /** Each takes some megabytes at most. */
    private static final int KEPT = 16;

    /** Longer schemas, in characters, are read anew every time. */
    private static final int LONGEST_KEPT = 256 * 1024;

    private final AnswerGrammar anyObject = AnswerGrammar.json();

    /** By the schemas' texts: two that differ in the order of properties only are equal as JSON, and their answers are not. */
    private final Map<String, AnswerGrammar> kept = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, AnswerGrammar> eldest) {
            return size() > KEPT;
        }
    };

    /** What the answer has to look like, or null where it may be any text. */
    @Nullable
    AnswerGrammar of(RequestFields fields) {
        RequestFields format = fields.object(FIELD);
        if (format == null) {
            return null;
        }
        String type = format.node("type").asText();
        return switch (type) {
            case "text" -> null;
            case "json_object" -> anyObject;
            case "json_schema" -> bySchema(format);
            default ->
                throw ApiException.unsupported(
                        FIELD,
                        "'response_format' has the type " + Reasons.excerpt(type)
                                + ", expected text, json_object or json_schema");
        };
    }

    private AnswerGrammar bySchema(RequestFields format) {
        JsonNode schema = format.node("json_schema").path("schema");
        if (!schema.isObject()) {
            throw ApiException.invalid(
                    FIELD,
                    "'response_format' needs a schema: {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {...}}}");
        }
        String text = Json.write(schema);
        AnswerGrammar known;
        synchronized (kept) {
            known = kept.get(text);
        }
        if (known == null) {
            try {
                known = AnswerGrammar.jsonSchema(schema);
            } catch (UserErrorException e) {
                throw ApiException.invalid(FIELD, "'response_format': " + e.getMessage());
            }
            if (text.length() <= LONGEST_KEPT) {
                synchronized (kept) {
                    kept.put(text, known);
                }
            }
        }
        return known;
    }
}
