package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.Element.Choice;
import org.finetune4j.generate.grammar.Element.Literal;
import org.finetune4j.generate.grammar.Element.Reference;
import org.finetune4j.generate.grammar.Element.Repeat;
import org.finetune4j.generate.grammar.Element.Sequence;

/**
 * Reads a JSON Schema (draft 2020-12 and those before it, as far as they are alike) as a grammar. What describes only is left out; what
 * would restrict and is not done is refused by its place.
 */
final class JsonSchemaReader {

    private static final Set<String> DESCRIBING = Set.of(
            "$schema",
            "$id",
            "$comment",
            "$anchor",
            "$defs",
            "definitions",
            "title",
            "description",
            "default",
            "examples",
            "example",
            "deprecated",
            "readOnly",
            "writeOnly",
            "format",
            "contentEncoding",
            "contentMediaType");
    private static final Set<String> KNOWN = Set.of(
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "minItems",
            "maxItems",
            "minLength",
            "maxLength",
            "enum",
            "const",
            "anyOf",
            "oneOf",
            "$ref");
    private static final List<String> TYPES =
            List.of("object", "array", "string", "number", "integer", "boolean", "null");
    private static final int DEEPEST = 100;
    private static final int MOST_PARTS = 20_000;
    private static final int MOST_VALUES = 1000;
    private static final int LARGEST_BOUND = 100_000;

    private final JsonElements json = new JsonElements();
    private final JsonNode whole;
    private final Map<String, Reference> definitions = new HashMap<>();
    private int parts;

    JsonSchemaReader(JsonNode schema) {
        this.whole = schema;
    }

    Element read() {
        return schema(whole, "#", 0);
    }

    private Element schema(JsonNode schema, String path, int depth) {
        if (depth > DEEPEST || ++parts > MOST_PARTS) {
            throw wrong(path, "too large a schema: it may be " + DEEPEST + " deep and have " + MOST_PARTS + " parts");
        }
        if (schema.isBoolean() && schema.booleanValue()) {
            return json.value();
        }
        if (!schema.isObject()) {
            throw wrong(path, "expected a schema, an object, not " + Reasons.excerpt(schema.toString()));
        }
        refuseOthers(schema, path);
        if (schema.has("$ref")) {
            requireAlone(schema, "$ref", path);
            return reference(schema.path("$ref"), path, depth);
        }
        if (schema.has("const")) {
            return literal(schema.path("const"));
        }
        if (schema.has("enum")) {
            return enumeration(schema, path);
        }
        for (String alternatives : List.of("anyOf", "oneOf")) {
            if (schema.has(alternatives)) {
                requireAlone(schema, alternatives, path);
                return choice(schema.path(alternatives), path + "/" + alternatives, depth);
            }
        }
        List<Element> types = new ArrayList<>();
        for (String type : types(schema, path)) {
            types.add(ofType(type, schema, path, depth));
        }
        return types.size() == 1 ? types.get(0) : new Choice(types);
    }

    private static void refuseOthers(JsonNode schema, String path) {
        schema.fieldNames().forEachRemaining(key -> {
            if (!KNOWN.contains(key) && !DESCRIBING.contains(key) && !key.startsWith("x-")) {
                throw wrong(
                        path,
                        "'" + Reasons.excerpt(key) + "' is not implemented: leave it out"
                                + Suggestions.didYouMean(key, KNOWN));
            }
        });
    }

    /** What stands beside it would have to hold too, which two grammars together are not. */
    private static void requireAlone(JsonNode schema, String key, String path) {
        schema.fieldNames().forEachRemaining(other -> {
            if (!other.equals(key) && KNOWN.contains(other) && !(key.endsWith("Of") && other.equals("type"))) {
                throw wrong(
                        path, "'" + other + "' beside '" + key + "' is not implemented: put it into the alternatives");
            }
        });
    }

    private List<String> types(JsonNode schema, String path) {
        JsonNode type = schema.path("type");
        if (type.isMissingNode()) {
            if (schema.has("properties") || schema.has("required") || schema.has("additionalProperties")) {
                return List.of("object");
            }
            return List.of(schema.has("items") ? "array" : "any");
        }
        List<String> types = new ArrayList<>();
        (type.isArray() ? type : Json.array().add(type)).forEach(each -> {
            String name = each.isTextual() ? each.textValue() : each.toString();
            if (!TYPES.contains(name)) {
                throw wrong(
                        path,
                        "type " + Reasons.excerpt(name) + ", expected one of " + TYPES
                                + Suggestions.didYouMean(name, TYPES));
            }
            types.add(name);
        });
        if (types.isEmpty()) {
            throw wrong(path, "no type, expected one of " + TYPES);
        }
        return types;
    }

    private Element ofType(String type, JsonNode schema, String path, int depth) {
        return switch (type) {
            case "object" -> object(schema, path, depth);
            case "array" -> {
                int[] bounds = bounds(schema, "minItems", "maxItems", path);
                JsonNode items = schema.path("items");
                Element item = items.isMissingNode() ? json.value() : schema(items, path + "/items", depth + 1);
                yield json.array(item, bounds[0], bounds[1]);
            }
            case "string" -> {
                int[] bounds = bounds(schema, "minLength", "maxLength", path);
                yield bounds[0] == 0 && bounds[1] == Repeat.ANY ? json.string() : json.string(bounds[0], bounds[1]);
            }
            case "number" -> json.number();
            case "integer" -> json.integer();
            case "boolean" -> new Choice(new Literal("true"), new Literal("false"));
            case "null" -> new Literal("null");
            default -> json.value();
        };
    }

    private static int[] bounds(JsonNode schema, String least, String most, String path) {
        int from = bound(schema, least, 0, path);
        int to = bound(schema, most, Repeat.ANY, path);
        if (from > to) {
            throw wrong(path, "'" + least + "' is " + from + ", more than '" + most + "', which is " + to);
        }
        return new int[] {from, to};
    }

    private static int bound(JsonNode schema, String key, int otherwise, String path) {
        JsonNode value = schema.path(key);
        if (value.isMissingNode()) {
            return otherwise;
        }
        if (!value.isInt() || value.intValue() < 0 || value.intValue() > LARGEST_BOUND) {
            throw wrong(
                    path,
                    "'" + key + "' is " + Reasons.excerpt(value.toString()) + ", expected a whole number from 0 to "
                            + LARGEST_BOUND);
        }
        return value.intValue();
    }

    private Element object(JsonNode schema, String path, int depth) {
        JsonNode properties = schema.path("properties");
        Set<String> required = required(schema, path);
        JsonNode others = schema.path("additionalProperties");
        boolean open = !others.isBoolean() || others.booleanValue();
        Map<String, Element> members = new LinkedHashMap<>();
        properties
                .properties()
                .forEach(property -> members.put(
                        property.getKey(),
                        member(
                                property.getKey(),
                                schema(property.getValue(), path + "/properties/" + property.getKey(), depth + 1))));
        Element other = !open
                ? null
                : others.isObject() ? schema(others, path + "/additionalProperties", depth + 1) : json.value();
        for (String name : required) {
            if (!members.containsKey(name)) {
                if (other == null) {
                    throw wrong(
                            path,
                            "'required' names '" + name + "', which is no property"
                                    + Suggestions.didYouMean(name, members.keySet()));
                }
                members.put(name, member(name, other));
            }
        }
        if (!members.isEmpty()) {
            return members(List.copyOf(members.values()), required(members.keySet(), required));
        }
        return other == null ? json.emptyObject() : json.object(other);
    }

    private Set<String> required(JsonNode schema, String path) {
        Set<String> names = new LinkedHashSet<>();
        JsonNode required = schema.path("required");
        if (!required.isMissingNode() && !required.isArray()) {
            throw wrong(path, "'required' is " + Reasons.excerpt(required.toString()) + ", expected a list of names");
        }
        required.forEach(name -> names.add(name.asText()));
        JsonNode properties = schema.path("properties");
        if (!properties.isMissingNode() && !properties.isObject()) {
            throw wrong(path, "'properties' is " + Reasons.excerpt(properties.toString()) + ", expected an object");
        }
        return names;
    }

    private static boolean[] required(Set<String> names, Set<String> required) {
        boolean[] each = new boolean[names.size()];
        int place = 0;
        for (String name : names) {
            each[place++] = required.contains(name);
        }
        return each;
    }

    private Element member(String name, Element value) {
        return json.member(new Literal(Json.write(name)), value);
    }

    /** Members in their order, of which those that are not required may be left out. */
    private Element members(List<Element> members, boolean[] required) {
        Element close = json.spaced(new Literal("}"));
        // What follows a member that is there, and what follows the opening brace, from the last member to the first.
        Element afterOne = close;
        Element atStart = close;
        for (int i = members.size() - 1; i >= 0; i--) {
            Element next = new Sequence(members.get(i), afterOne);
            Element further = new Sequence(json.space(), new Literal(","), json.space(), next);
            Element first = new Sequence(json.space(), next);
            afterOne = required[i] ? further : new Choice(further, afterOne);
            atStart = required[i] ? first : new Choice(first, atStart);
        }
        return new Sequence(new Literal("{"), atStart);
    }

    private Element literal(JsonNode value) {
        return new Literal(Json.write(value));
    }

    private Element enumeration(JsonNode schema, String path) {
        JsonNode values = schema.path("enum");
        if (!values.isArray() || values.isEmpty()) {
            throw wrong(path, "'enum' is " + Reasons.excerpt(values.toString()) + ", expected a list of values");
        }
        if (values.size() > MOST_VALUES) {
            throw wrong(path, "'enum' has " + values.size() + " values, at most " + MOST_VALUES + " are done");
        }
        List<String> types = schema.has("type") ? types(schema, path) : TYPES;
        List<Element> all = new ArrayList<>();
        values.forEach(value -> {
            if (types.stream().anyMatch(type -> isOf(type, value))) {
                all.add(literal(value));
            }
        });
        if (all.isEmpty()) {
            throw wrong(path, "no value of 'enum' is of the type " + types);
        }
        return new Choice(all);
    }

    private static boolean isOf(String type, JsonNode value) {
        return switch (type) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isTextual();
            case "number" -> value.isNumber();
            case "integer" -> value.isIntegralNumber();
            case "boolean" -> value.isBoolean();
            default -> value.isNull();
        };
    }

    private Element choice(JsonNode schemas, String path, int depth) {
        if (!schemas.isArray() || schemas.isEmpty()) {
            throw wrong(path, "expected a list of schemas");
        }
        List<Element> all = new ArrayList<>();
        for (int i = 0; i < schemas.size(); i++) {
            all.add(schema(schemas.get(i), path + "/" + i, depth + 1));
        }
        return new Choice(all);
    }

    private Element reference(JsonNode name, String path, int depth) {
        String text = name.asText();
        if (!text.equals("#") && !text.startsWith("#/")) {
            throw wrong(
                    path,
                    "'$ref' is " + Reasons.excerpt(text) + ", expected a place in this schema, such as #/$defs/name");
        }
        Reference known = definitions.get(text);
        if (known != null) {
            return known;
        }
        JsonNode target;
        try {
            target = whole.at(JsonPointer.compile(text.substring(1)));
        } catch (IllegalArgumentException e) {
            throw wrong(path, "'$ref' is " + Reasons.excerpt(text) + ", which is no place in a schema");
        }
        if (target.isMissingNode()) {
            throw wrong(
                    path,
                    "'$ref' is " + Reasons.excerpt(text) + ", which is not there"
                            + Suggestions.didYouMean(text, definitionNames()));
        }
        Reference reference = new Reference();
        definitions.put(text, reference);
        reference.define(schema(target, text, depth + 1));
        return reference;
    }

    private Set<String> definitionNames() {
        Set<String> names = new TreeSet<>();
        for (String section : List.of("$defs", "definitions")) {
            whole.path(section).fieldNames().forEachRemaining(name -> names.add("#/" + section + "/" + name));
        }
        return names;
    }

    private static UserErrorException wrong(String path, String message) {
        return new UserErrorException("the JSON schema at " + Reasons.excerpt(path) + ": " + message);
    }
}
