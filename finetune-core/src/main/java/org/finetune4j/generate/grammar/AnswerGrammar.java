package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.model.chat.ToolCalls;

/**
 * What an answer has to look like, byte by byte. Generation takes away every token that cannot come next, so that an answer which
 * ends by itself is what the grammar says; one that runs out of tokens is the beginning of it.
 *
 * <p>Grammars are context-free and read in all ways at once; states are made when they are reached and kept for the next answer, some
 * thousands at most. One may be used by several threads.
 */
public final class AnswerGrammar {

    /** A state takes about two kilobytes. */
    private static final int MOST_STATES = 4096;

    private final Element whole;
    private final String description;
    private final Map<Readings, GrammarState> states = new HashMap<>();

    AnswerGrammar(Element whole, String description) {
        this.whole = whole;
        this.description = description;
    }

    /** {@return any JSON object, as OpenAI's {@code json_object} has it} */
    public static AnswerGrammar json() {
        return new AnswerGrammar(JsonElements.answer(new JsonElements().object()), "a JSON object");
    }

    /**
     * JSON that a schema describes: an object has its properties in the schema's order, required ones always, and no others where the
     * schema names any.
     *
     * @param schema of JSON Schema: types, {@code enum}, {@code const}, {@code anyOf}, {@code oneOf}, {@code allOf}, {@code $ref} into
     *     the schema itself; {@code properties}, {@code required}, {@code additionalProperties}; {@code items}, {@code prefixItems},
     *     {@code minItems}, {@code maxItems}; {@code minLength}, {@code maxLength}, {@code pattern}, {@code format}; {@code minimum},
     *     {@code maximum}, {@code exclusiveMinimum}, {@code exclusiveMaximum}, {@code multipleOf}
     * @return the grammar
     * @throws org.finetune4j.UserErrorException for a keyword that would restrict the answer and is not implemented, a schema that is
     *     none, or one that no value is as it says, by the path in the schema
     */
    public static AnswerGrammar jsonSchema(JsonNode schema) {
        return new AnswerGrammar(JsonElements.answer(new JsonSchemaReader(schema).read()), "JSON of a schema");
    }

    /**
     * JSON that a schema describes, see {@link #jsonSchema(JsonNode)}.
     *
     * @param schema as text
     * @return the grammar
     * @throws org.finetune4j.UserErrorException when it is no JSON, or not implemented
     */
    public static AnswerGrammar jsonSchema(String schema) {
        return jsonSchema(Json.parse(schema, "the JSON schema"));
    }

    /**
     * Calls of tools.
     *
     * @param form how the model writes them
     * @param parameters by the name of every tool that may be called the JSON schema of what it is called with; where a schema is not
     *     implemented (see {@link #jsonSchema(JsonNode)}), any object
     * @param most how many calls there may be, of which one has to be; one in a form that has no mark for calls
     * @return the grammar
     * @throws IllegalArgumentException without a tool, or when {@code most} is not positive
     */
    public static AnswerGrammar toolCalls(ToolCalls form, Map<String, ? extends JsonNode> parameters, int most) {
        if (parameters.isEmpty() || most < 1) {
            throw new IllegalArgumentException("there has to be a tool that may be called");
        }
        return new AnswerGrammar(
                JsonElements.answer(new ToolCallElements(form).calls(parameters, most)),
                "calls of " + parameters.keySet());
    }

    /**
     * {@return either of both}
     *
     * @param other another grammar
     */
    public AnswerGrammar or(AnswerGrammar other) {
        return new AnswerGrammar(new Element.Choice(whole, other.whole), this + " or " + other);
    }

    /** {@return where an answer begins} */
    public GrammarState start() {
        return state(Readings.begin(whole));
    }

    synchronized GrammarState state(Readings readings) {
        GrammarState known = states.get(readings);
        if (known == null) {
            if (states.size() >= MOST_STATES) {
                states.clear(); // answers under way have theirs, and make those anew that come next
            }
            known = new GrammarState(this, readings);
            states.put(readings, known);
        }
        return known;
    }

    @Override
    public String toString() {
        return description;
    }
}
