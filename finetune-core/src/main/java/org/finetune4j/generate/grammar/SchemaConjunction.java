package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.Json;
import org.jspecify.annotations.Nullable;

/**
 * Two schemas that hold at once as one: what {@code allOf} says, and what stands beside {@code $ref} or {@code anyOf}. What values of a
 * property or an item have to be is left as {@code allOf}, for when it is read.
 */
final class SchemaConjunction {

    private static final Set<String> LARGER = Set.of("minItems", "minLength", "minimum", "exclusiveMinimum");
    private static final Set<String> SMALLER = Set.of("maxItems", "maxLength", "maximum", "exclusiveMaximum");
    private static final Set<String> OF_SEVERAL =
            Set.of("properties", "required", "additionalProperties", "items", "prefixItems", "enum", "const");
    private static final String OTHERS = "additionalProperties";

    private final String path;

    /** @param path of both, for messages */
    SchemaConjunction(String path) {
        this.path = path;
    }

    /** Both as one, without {@code $ref}, {@code allOf} and the like; or null where no value is as both say. */
    @Nullable
    ObjectNode of(ObjectNode one, ObjectNode two) {
        ObjectNode both = Json.object();
        Set<String> keys = new LinkedHashSet<>();
        one.fieldNames().forEachRemaining(keys::add);
        two.fieldNames().forEachRemaining(keys::add);
        for (String key : keys) {
            if (OF_SEVERAL.contains(key)) {
                continue;
            }
            JsonNode first = one.path(key);
            JsonNode second = two.path(key);
            JsonNode value = first.isMissingNode() || first.equals(second)
                    ? second
                    : second.isMissingNode() ? first : both(key, first, second);
            if (key.equals("type") && value.isEmpty() && value.isArray()) {
                return null;
            }
            both.set(key, value);
        }
        items(one, two, both);
        return values(one, two, both) && objects(one, two, both) ? both : null;
    }

    private JsonNode both(String key, JsonNode one, JsonNode two) {
        if (key.equals("type")) {
            return types(one, two);
        }
        if (LARGER.contains(key) || SMALLER.contains(key)) {
            boolean firstIsLarger = one.isNumber()
                    && two.isNumber()
                    && Comparator.<BigDecimal>naturalOrder().compare(one.decimalValue(), two.decimalValue()) > 0;
            return firstIsLarger == LARGER.contains(key) ? one : two;
        }
        throw SchemaKeywords.wrong(path, "two '" + key + "' that hold at once are not implemented");
    }

    private static ObjectNode allOf(JsonNode one, JsonNode two) {
        ObjectNode all = Json.object();
        all.putArray("allOf").add(one).add(two);
        return all;
    }

    private ArrayNode types(JsonNode one, JsonNode two) {
        List<String> first = SchemaKeywords.types(Json.object().set("type", one), path);
        List<String> second = SchemaKeywords.types(Json.object().set("type", two), path);
        ArrayNode both = Json.array();
        for (String type : SchemaKeywords.TYPES) {
            boolean narrower = type.equals("integer");
            boolean inFirst = first.contains(type) || (narrower && first.contains("number"));
            boolean inSecond = second.contains(type) || (narrower && second.contains("number"));
            boolean isNumber = narrower && first.contains("number") && second.contains("number");
            if (inFirst && inSecond && !isNumber) {
                both.add(type);
            }
        }
        return both;
    }

    /** Constants that are in both. */
    private static boolean values(ObjectNode one, ObjectNode two, ObjectNode both) {
        ArrayNode kept = null;
        for (ObjectNode each : List.of(one, two)) {
            for (String key : List.of("const", "enum")) {
                if (each.has(key)) {
                    JsonNode named = key.equals("const") ? Json.array().add(each.path(key)) : each.path(key);
                    ArrayNode further = Json.array();
                    for (JsonNode value : named) {
                        if (kept == null || contains(kept, value)) {
                            further.add(value);
                        }
                    }
                    kept = further;
                }
            }
        }
        if (kept != null) {
            both.set("enum", kept);
        }
        return kept == null || !kept.isEmpty();
    }

    private static boolean contains(ArrayNode values, JsonNode wanted) {
        for (JsonNode value : values) {
            if (value.equals(wanted)) {
                return true;
            }
        }
        return false;
    }

    /** Items by their places: what one says of all that follow may be what the other says of a place. */
    private static void items(ObjectNode one, ObjectNode two, ObjectNode both) {
        ArrayNode named = Json.array();
        JsonNode further = item(one, two, Integer.MAX_VALUE);
        int most =
                Math.max(one.path("prefixItems").size(), two.path("prefixItems").size());
        for (int place = 0; place < most; place++) {
            JsonNode item = item(one, two, place);
            if (isFalse(item)) {
                further = item; // none is allowed here, nor behind
                break;
            }
            named.add(item.isMissingNode() ? Json.object() : item);
        }
        if (!named.isEmpty()) {
            both.set("prefixItems", named);
        }
        if (!further.isMissingNode()) {
            both.set("items", further);
        }
    }

    /** What both say of the item at a place, missing where they say nothing. */
    private static JsonNode item(ObjectNode one, ObjectNode two, int place) {
        JsonNode first = item(one, place);
        JsonNode second = item(two, place);
        if (first.isMissingNode() || isFalse(second) || first.equals(second)) {
            return second;
        }
        return second.isMissingNode() || isFalse(first) ? first : allOf(first, second);
    }

    private static JsonNode item(ObjectNode schema, int place) {
        JsonNode named = schema.path("prefixItems");
        return place < named.size() ? named.path(place) : schema.path("items");
    }

    /** Members that both allow; false where one has to be there that may not. */
    private boolean objects(ObjectNode one, ObjectNode two, ObjectNode both) {
        ObjectNode properties = Json.object();
        Set<String> forbidden = new LinkedHashSet<>();
        addProperties(one, two, properties, forbidden);
        addProperties(two, one, properties, forbidden);
        ArrayNode required = Json.array();
        Set<String> names = new LinkedHashSet<>();
        for (ObjectNode each : List.of(one, two)) {
            each.path("required").forEach(name -> names.add(name.asText()));
        }
        names.forEach(required::add);
        if (one.has("properties") || two.has("properties")) {
            both.set("properties", properties);
        }
        if (one.has("required") || two.has("required")) {
            both.set("required", required);
        }
        JsonNode first = one.path(OTHERS);
        JsonNode second = two.path(OTHERS);
        if (first.isMissingNode() || second.isMissingNode()) {
            JsonNode only = first.isMissingNode() ? second : first;
            if (!only.isMissingNode()) {
                both.set(OTHERS, only);
            }
        } else if (isFalse(first) || isFalse(second)) {
            both.put(OTHERS, false);
        } else {
            both.set(OTHERS, first.equals(second) ? first : allOf(first, second));
        }
        return names.stream().noneMatch(forbidden::contains);
    }

    private static boolean isFalse(JsonNode node) {
        return node.isBoolean() && !node.booleanValue();
    }

    private static void addProperties(ObjectNode from, ObjectNode other, ObjectNode all, Set<String> forbidden) {
        JsonNode others = other.path(OTHERS);
        from.path("properties").properties().forEach(property -> {
            String name = property.getKey();
            JsonNode second = other.path("properties").path(name);
            if (!second.isMissingNode()) {
                if (!all.has(name)) {
                    all.set(name, second.equals(property.getValue()) ? second : allOf(property.getValue(), second));
                }
            } else if (isFalse(others)) {
                forbidden.add(name);
            } else {
                boolean any = others.isMissingNode() || others.isBoolean();
                all.set(name, any ? property.getValue() : allOf(property.getValue(), others));
            }
        });
    }
}
