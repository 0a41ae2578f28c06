package org.finetune4j.langchain4j;

import com.fasterxml.jackson.databind.JsonNode;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.finetune4j.generate.grammar.KeptGrammars;
import org.finetune4j.model.chat.ToolCalls;
import org.jspecify.annotations.Nullable;

/** What LangChain4j asks answers to look like, as grammars. */
final class AnswerFormats {

    private final AnswerGrammar anyObject = AnswerGrammar.json();
    private final KeptGrammars kept = new KeptGrammars();

    /**
     * The format of an answer that is no call of a tool.
     *
     * @return null for any text
     * @throws org.finetune4j.UserErrorException for a schema that would restrict the answer in a way that is not implemented
     */
    @Nullable
    AnswerGrammar format(ChatRequestParameters parameters) {
        ResponseFormat format = parameters.responseFormat();
        if (format == null || format.type() != ResponseFormatType.JSON) {
            return null;
        }
        if (format.jsonSchema() == null) {
            return anyObject;
        }
        JsonNode schema =
                Json.of(JsonSchemaElementUtils.toMap(format.jsonSchema().rootElement()));
        return kept.of(List.of(Json.write(schema)), () -> AnswerGrammar.jsonSchema(schema));
    }

    /**
     * The format of an answer where tools may be called, or have to be.
     *
     * @param form how the model writes calls, or null where that is not known
     * @return null for any text
     * @throws UnsupportedFeatureException when calls would have to be told apart and their form is not known
     */
    @Nullable
    AnswerGrammar besideTools(ChatRequestParameters parameters, @Nullable ToolCalls form) {
        AnswerGrammar format = format(parameters);
        boolean required = parameters.toolChoice() == ToolChoice.REQUIRED;
        if (format == null && !required) {
            return null;
        }
        if (form == null) {
            throw new UnsupportedFeatureException((required ? "toolChoice REQUIRED" : "responseFormat JSON with tools")
                    + " is not supported: the model's chat template does not tell how calls are written");
        }
        Map<String, JsonNode> schemas = new LinkedHashMap<>();
        parameters
                .toolSpecifications()
                .forEach(tool -> schemas.put(
                        tool.name(),
                        tool.parameters() == null
                                ? Json.object()
                                : Json.of(JsonSchemaElementUtils.toMap(tool.parameters()))));
        List<Object> key = new ArrayList<>(List.of(form.isMarked(), Json.write(schemas)));
        if (required || format == null) {
            return kept.of(key, () -> AnswerGrammar.toolCalls(form, schemas, Integer.MAX_VALUE));
        }
        key.add(format);
        return kept.of(key, () -> format.or(AnswerGrammar.toolCalls(form, schemas, Integer.MAX_VALUE)));
    }
}
