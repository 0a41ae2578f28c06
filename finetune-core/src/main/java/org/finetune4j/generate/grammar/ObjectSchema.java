package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.generate.grammar.Element.Choice;
import org.finetune4j.generate.grammar.Element.Literal;
import org.finetune4j.generate.grammar.Element.Sequence;
import org.jspecify.annotations.Nullable;

/** Objects of a schema: {@code properties}, {@code required}, {@code additionalProperties}. */
final class ObjectSchema {

    private final JsonElements json;
    private final BiFunction<JsonNode, String, Element> schemas;

    /** @param schemas reads the schema of a member, by its path */
    ObjectSchema(JsonElements json, BiFunction<JsonNode, String, Element> schemas) {
        this.json = json;
        this.schemas = schemas;
    }

    Element read(JsonNode schema, String path) {
        Set<String> required = required(schema, path);
        JsonNode properties = schema.path("properties");
        if (!properties.isMissingNode() && !properties.isObject()) {
            throw SchemaKeywords.wrong(
                    path, "'properties' is " + Reasons.excerpt(properties.toString()) + ", expected an object");
        }
        Map<String, Element> members = new LinkedHashMap<>();
        properties.properties().forEach(property -> {
            String name = property.getKey();
            members.put(name, member(name, schemas.apply(property.getValue(), path + "/properties/" + name)));
        });
        Element other = others(schema.path("additionalProperties"), path);
        for (String name : required) {
            if (!members.containsKey(name)) {
                if (other == null) {
                    throw SchemaKeywords.wrong(
                            path,
                            "'required' names '" + Reasons.excerpt(name) + "', which is no property"
                                    + Suggestions.didYouMean(name, members.keySet()));
                }
                members.put(name, member(name, other));
            }
        }
        if (!members.isEmpty()) {
            return members(members, required);
        }
        return other == null ? json.emptyObject() : json.object(other);
    }

    /** What members that are not named are, or null where there are none. */
    private @Nullable Element others(JsonNode others, String path) {
        if (others.isMissingNode()) {
            return json.value();
        }
        if (others.isBoolean()) {
            return others.booleanValue() ? json.value() : null;
        }
        return schemas.apply(others, path + "/additionalProperties");
    }

    private static Set<String> required(JsonNode schema, String path) {
        Set<String> names = new LinkedHashSet<>();
        JsonNode required = schema.path("required");
        boolean right = required.isMissingNode() || required.isArray();
        for (JsonNode name : required) {
            right &= name.isTextual();
            names.add(name.asText());
        }
        if (!right) {
            throw SchemaKeywords.wrong(
                    path, "'required' is " + Reasons.excerpt(required.toString()) + ", expected a list of names");
        }
        return names;
    }

    private Element member(String name, Element value) {
        return json.member(Constants.name(name), value);
    }

    /** Members in their order, of which those that are not required may be left out. */
    private Element members(Map<String, Element> members, Set<String> required) {
        List<String> names = List.copyOf(members.keySet());
        Element close = new Literal("}");
        Element comma = new Sequence(new Literal(","), json.space());
        // What may follow a member, and with which member an object or what is left of it may begin, from the last to
        // the first. A
        // space stands before all of them once: there are many that may be next where few are required.
        Element after = close;
        Element begin = close;
        boolean mayEnd = true;
        for (int i = names.size() - 1; i >= 0; i--) {
            boolean isRequired = required.contains(names.get(i));
            Element own = new Sequence(members.getOrDefault(names.get(i), close), json.space(), after);
            begin = isRequired || i == names.size() - 1 ? own : new Choice(own, begin);
            mayEnd &= !isRequired;
            Element further = new Sequence(comma, begin);
            after = mayEnd ? new Choice(further, close) : further;
        }
        Element first = mayEnd ? new Choice(begin, close) : begin;
        return new Sequence(new Literal("{"), json.space(), first);
    }
}
