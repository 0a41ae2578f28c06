package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.Element.Repeat;

/** The keywords of JSON Schema: what they are for, and whether their values are as they have to be. */
final class SchemaKeywords {

    static final List<String> TYPES = List.of("object", "array", "string", "number", "integer", "boolean", "null");

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
            "discriminator",
            "readOnly",
            "writeOnly",
            "contentEncoding",
            "contentMediaType");
    private static final Set<String> OF_OBJECTS = Set.of("properties", "required", "additionalProperties");
    private static final Set<String> OF_ARRAYS = Set.of("items", "prefixItems", "minItems", "maxItems");
    private static final Set<String> OF_STRINGS = Set.of("minLength", "maxLength", "pattern");
    private static final Set<String> OF_NUMBERS =
            Set.of("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf");
    private static final Set<String> KNOWN = known();
    private static final int LARGEST_BOUND = 100_000;

    private SchemaKeywords() {}

    private static Set<String> known() {
        Set<String> all =
                new LinkedHashSet<>(List.of("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "format"));
        List.of(OF_OBJECTS, OF_ARRAYS, OF_STRINGS, OF_NUMBERS).forEach(all::addAll);
        return all;
    }

    /** Refuses what would restrict and is not done. */
    static void refuseOthers(JsonNode schema, String path) {
        schema.properties().forEach(entry -> {
            String key = entry.getKey();
            boolean nothing = key.equals("uniqueItems") && entry.getValue().equals(Json.of(false));
            if (!KNOWN.contains(key) && !DESCRIBING.contains(key) && !key.startsWith("x-") && !nothing) {
                throw wrong(
                        path,
                        "'" + Reasons.excerpt(key) + "' is not implemented: leave it out"
                                + Suggestions.didYouMean(key, KNOWN));
            }
        });
    }

    /** The keywords of a schema that say what a value has to be. */
    static ObjectNode restricting(JsonNode schema) {
        ObjectNode kept = Json.object();
        schema.properties().forEach(entry -> {
            if (KNOWN.contains(entry.getKey())) {
                kept.set(entry.getKey(), entry.getValue());
            }
        });
        return kept;
    }

    /** The types that a value may have; where none is named, those that the other keywords are about; empty for any. */
    static List<String> types(JsonNode schema, String path) {
        JsonNode type = schema.path("type");
        if (type.isMissingNode()) {
            return about(schema);
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

    private static List<String> about(JsonNode schema) {
        List<String> types = new ArrayList<>();
        schema.fieldNames().forEachRemaining(key -> {
            String type = OF_OBJECTS.contains(key)
                    ? "object"
                    : OF_ARRAYS.contains(key)
                            ? "array"
                            : OF_STRINGS.contains(key)
                                            || (key.equals("format") && TextFormats.isKnown(schema.path(key)))
                                    ? "string"
                                    : OF_NUMBERS.contains(key) ? "number" : "";
            if (!type.isEmpty() && !types.contains(type)) {
                types.add(type);
            }
        });
        return types;
    }

    /** Whole numbers that say how many there may be: the least, and the most or {@link Repeat#ANY}. */
    static int[] bounds(JsonNode schema, String least, String most, String path) {
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

    static UserErrorException wrong(String path, String message) {
        return new UserErrorException("the JSON schema at " + Reasons.excerpt(path) + ": " + message);
    }
}
