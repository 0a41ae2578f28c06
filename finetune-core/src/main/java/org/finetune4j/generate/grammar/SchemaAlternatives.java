package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.IntConsumer;
import org.finetune4j.Json;
import org.finetune4j.Reasons;

/**
 * Schemas with {@code allOf}, {@code $ref} and {@code anyOf} beside other keywords as a list of schemas without them, of which a value has
 * to be as one says: each alternative with all that holds besides.
 */
final class SchemaAlternatives {

    private static final List<String> OF_ALTERNATIVES = List.of("anyOf", "oneOf");

    private final BiFunction<JsonNode, String, JsonNode> targets;
    private final IntConsumer cost;

    /**
     * @param targets finds what a {@code $ref} stands for, by its value and its path
     * @param cost is told how much has been put together, and ends what is too large
     */
    SchemaAlternatives(BiFunction<JsonNode, String, JsonNode> targets, IntConsumer cost) {
        this.targets = targets;
        this.cost = cost;
    }

    /** Whether a schema has to be taken apart: what alternatives or a reference say is not all that it says. */
    static boolean isOf(ObjectNode restricting) {
        return restricting.has("allOf")
                || (restricting.size() > 1
                        && (restricting.has("$ref") || restricting.has("anyOf") || restricting.has("oneOf")));
    }

    /** The alternatives of a schema; none where nothing is as it says. */
    List<ObjectNode> of(JsonNode schema, String path) {
        return flat(schema, path, new HashSet<>());
    }

    private List<ObjectNode> flat(JsonNode schema, String path, Set<String> open) {
        cost.accept(1);
        if (schema.isBoolean()) {
            return schema.booleanValue() ? List.of(Json.object()) : List.of();
        }
        if (!schema.isObject()) {
            throw SchemaKeywords.wrong(path, "expected a schema, an object, not " + Reasons.excerpt(schema.toString()));
        }
        SchemaKeywords.refuseOthers(schema, path);
        ObjectNode own = SchemaKeywords.restricting(schema);
        List<ObjectNode> all = List.of(Json.object());
        if (own.has("$ref")) {
            JsonNode name = own.remove("$ref");
            if (!open.add(name.asText())) {
                throw SchemaKeywords.wrong(
                        path, "'$ref' to " + Reasons.excerpt(name.asText()) + " leads back to itself");
            }
            all = both(all, flat(targets.apply(name, path), name.asText(), open), path);
            open.remove(name.asText());
        }
        JsonNode parts = own.remove("allOf");
        if (parts != null) {
            requireList(parts, path + "/allOf");
            for (int i = 0; i < parts.size(); i++) {
                all = both(all, flat(parts.get(i), path + "/allOf/" + i, open), path);
            }
        }
        List<ObjectNode> alternatives = List.of(Json.object());
        for (String key : OF_ALTERNATIVES) {
            JsonNode each = own.remove(key);
            if (each != null) {
                requireList(each, path + "/" + key);
                List<ObjectNode> union = new ArrayList<>();
                for (int i = 0; i < each.size(); i++) {
                    union.addAll(flat(each.get(i), path + "/" + key + "/" + i, open));
                }
                alternatives = both(alternatives, union, path);
            }
        }
        return both(both(all, List.of(own), path), alternatives, path);
    }

    private static void requireList(JsonNode schemas, String path) {
        if (!schemas.isArray() || schemas.isEmpty()) {
            throw SchemaKeywords.wrong(path, "expected a list of schemas");
        }
    }

    private List<ObjectNode> both(List<ObjectNode> one, List<ObjectNode> two, String path) {
        SchemaConjunction conjunction = new SchemaConjunction(path);
        List<ObjectNode> all = new ArrayList<>();
        for (ObjectNode first : one) {
            for (ObjectNode second : two) {
                cost.accept(1 + size(first) + size(second));
                ObjectNode both = first.isEmpty() ? second : second.isEmpty() ? first : conjunction.of(first, second);
                if (both != null) {
                    all.add(both);
                }
            }
        }
        return all;
    }

    private static int size(ObjectNode schema) {
        return schema.path("properties").size()
                + schema.path("required").size()
                + schema.path("enum").size();
    }
}
