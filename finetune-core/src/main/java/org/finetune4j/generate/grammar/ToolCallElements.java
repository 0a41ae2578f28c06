package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.Element.Choice;
import org.finetune4j.generate.grammar.Element.Literal;
import org.finetune4j.generate.grammar.Element.Repeat;
import org.finetune4j.generate.grammar.Element.Sequence;
import org.finetune4j.model.chat.ToolCalls;

/** Calls of tools as {@link ToolCalls} reads them. */
final class ToolCallElements {

    private final JsonElements json = new JsonElements();
    private final ToolCalls form;

    ToolCallElements(ToolCalls form) {
        this.form = form;
    }

    /**
     * One call or more.
     *
     * @param parameters the schemas of what tools are called with, by name
     * @param most how many there may be; one where the form has room for one alone
     */
    Element calls(Map<String, ? extends JsonNode> parameters, int most) {
        List<Element> each = new ArrayList<>();
        parameters.forEach((name, schema) -> each.add(call(name, schema)));
        Element call = new Choice(each);
        if (!form.isMarked()) {
            return call;
        }
        Element marked =
                new Sequence(new Literal(ToolCalls.MARK), json.space(), call, json.space(), new Literal(ToolCalls.END));
        Element further =
                new Repeat(new Sequence(json.space(), marked), 0, most == Integer.MAX_VALUE ? Repeat.ANY : most - 1);
        return new Sequence(marked, further);
    }

    private Element call(String name, JsonNode schema) {
        Element named = json.member(text("name"), text(name));
        Element given = json.member(text(form.isMarked() ? "arguments" : "parameters"), arguments(schema));
        return new Sequence(
                new Literal("{"),
                json.space(),
                named,
                json.space(),
                new Literal(","),
                json.space(),
                given,
                json.spaced(new Literal("}")));
    }

    private static Literal text(String value) {
        return new Literal(Json.write(value));
    }

    /** By the schema, or any object where that says more than is done: tools check what they are given. */
    private Element arguments(JsonNode schema) {
        if (schema.isMissingNode() || schema.isNull() || schema.isEmpty()) {
            return json.object();
        }
        try {
            return new JsonSchemaReader(schema).read();
        } catch (UserErrorException e) {
            return json.object();
        }
    }
}
