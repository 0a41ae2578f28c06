package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.finetune4j.generate.grammar.KeptGrammars;
import org.jspecify.annotations.Nullable;

/**
 * OpenAI's {@code response_format} as grammars. Those of the schemas that came last are kept with what was found out about them; several
 * threads may ask.
 */
final class ResponseFormats {

    private static final String FIELD = "response_format";

    private final AnswerGrammar anyObject = AnswerGrammar.json();
    private final KeptGrammars kept = new KeptGrammars();

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
        try {
            return kept.of(List.of(Json.write(schema)), () -> AnswerGrammar.jsonSchema(schema));
        } catch (UserErrorException e) {
            throw ApiException.invalid(FIELD, "'response_format': " + e.getMessage());
        }
    }

    /** Grammars of other kinds, kept among those of formats. */
    KeptGrammars kept() {
        return kept;
    }
}
