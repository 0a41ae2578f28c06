package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.generate.grammar.Element.Choice;
import org.finetune4j.generate.grammar.Element.Literal;
import org.finetune4j.generate.grammar.Element.Reference;

/**
 * Reads a JSON Schema (draft 2020-12 and those before it, as far as they are alike) as a grammar. What describes only is left out; what
 * would restrict and is not done is refused by its place.
 */
final class JsonSchemaReader {

    private static final Set<String> BESIDE_VALUES = Set.of("enum", "const", "type");
    private static final int DEEPEST = 100;
    private static final int MOST_PARTS = 20_000;
    private static final int MOST_VALUES = 1000;

    /** Schemas that hold at once are told again by their text, up to so many characters of it. */
    private static final int LONGEST_KNOWN = 4096;

    private final JsonElements json = new JsonElements();
    private final Constants constants = new Constants(json);
    private final TextSchema texts = new TextSchema();
    private final NumberSchema numbers = new NumberSchema();
    private final ObjectSchema objects;
    private final SchemaAlternatives alternatives;
    private final JsonNode whole;
    private final Map<String, Reference> definitions = new HashMap<>();

    /** What is referred to is read when all else is, so that it is not nested more deeply for each reference on the way. */
    private final Deque<Runnable> referred = new ArrayDeque<>();

    private int parts;
    private int depth;

    JsonSchemaReader(JsonNode schema) {
        this.whole = schema;
        this.objects = new ObjectSchema(json, this::schema);
        this.alternatives = new SchemaAlternatives(this::target, more -> count(more, "#"));
    }

    Element read() {
        Element element = schema(whole, "#");
        while (!referred.isEmpty()) {
            referred.pop().run();
        }
        if (!EndlessElements.takeAway(element)) {
            throw SchemaKeywords.wrong("#", "nothing is as it says: it contains itself without an end");
        }
        return element;
    }

    private void count(int more, String path) {
        parts += more;
        if (depth > DEEPEST || parts > MOST_PARTS) {
            throw SchemaKeywords.wrong(
                    path, "too large a schema: it may be " + DEEPEST + " deep and have " + MOST_PARTS + " parts");
        }
    }

    private Element schema(JsonNode schema, String path) {
        depth++;
        count(1, path);
        Element read = read(schema, path);
        depth--;
        return read;
    }

    private Element read(JsonNode schema, String path) {
        if (schema.isBoolean() && schema.booleanValue()) {
            return json.value();
        }
        if (!schema.isObject()) {
            throw SchemaKeywords.wrong(path, "expected a schema, an object, not " + Reasons.excerpt(schema.toString()));
        }
        SchemaKeywords.refuseOthers(schema, path);
        ObjectNode restricting = SchemaKeywords.restricting(schema);
        if (SchemaAlternatives.isOf(restricting)) {
            return together(restricting, path);
        }
        if (restricting.has("$ref")) {
            return reference(restricting.path("$ref"), path);
        }
        for (String key : List.of("anyOf", "oneOf")) {
            if (restricting.has(key)) {
                return choice(restricting.path(key), path + "/" + key);
            }
        }
        return plain(restricting, path);
    }

    /** What holds at once. */
    private Element together(ObjectNode schema, String path) {
        JsonNode only = schema.path("allOf");
        if (schema.size() == 1 && only.size() == 1) {
            return schema(only.get(0), path + "/allOf/0");
        }
        String text = Json.write(schema);
        Reference known = definitions.get(text);
        if (known != null) {
            return known;
        }
        Reference reference = new Reference();
        if (text.length() <= LONGEST_KNOWN) {
            definitions.put(text, reference);
        }
        List<ObjectNode> all = alternatives.of(schema, path);
        if (all.isEmpty()) {
            throw SchemaKeywords.wrong(path, "nothing is as all of it says");
        }
        List<Element> elements = new ArrayList<>();
        for (ObjectNode each : all) {
            count(1, path);
            elements.add(plain(each, path));
        }
        reference.define(elements.size() == 1 ? elements.get(0) : new Choice(elements));
        return reference;
    }

    /** A schema without references and alternatives. */
    private Element plain(ObjectNode schema, String path) {
        if (schema.has("const") || schema.has("enum")) {
            return values(schema, path);
        }
        List<Element> types = new ArrayList<>();
        for (String type : SchemaKeywords.types(schema, path)) {
            types.add(ofType(type, schema, path));
        }
        return types.isEmpty() ? json.value() : types.size() == 1 ? types.get(0) : new Choice(types);
    }

    private Element ofType(String type, JsonNode schema, String path) {
        return switch (type) {
            case "object" -> {
                count(schema.path("required").size(), path);
                yield objects.read(schema, path);
            }
            case "array" -> array(schema, path);
            case "string" -> texts.read(schema, json.string(), path);
            case "number" -> numbers.read(schema, false, json.number(), path);
            case "integer" -> numbers.read(schema, true, json.integer(), path);
            case "boolean" -> new Choice(new Literal("true"), new Literal("false"));
            default -> new Literal("null");
        };
    }

    private Element array(JsonNode schema, String path) {
        int[] bounds = SchemaKeywords.bounds(schema, "minItems", "maxItems", path);
        JsonNode named = schema.path("prefixItems");
        if (!named.isMissingNode() && !named.isArray()) {
            throw SchemaKeywords.wrong(
                    path, "'prefixItems' is " + Reasons.excerpt(named.toString()) + ", expected a list of schemas");
        }
        List<Element> first = new ArrayList<>();
        for (int i = 0; i < named.size(); i++) {
            first.add(schema(named.get(i), path + "/prefixItems/" + i));
        }
        JsonNode items = schema.path("items");
        boolean none = items.isBoolean() && !items.booleanValue();
        Element further = none ? null : items.isMissingNode() ? json.value() : schema(items, path + "/items");
        if (none && bounds[0] > first.size()) {
            throw SchemaKeywords.wrong(
                    path, "'minItems' is " + bounds[0] + ", of which 'items' allows " + first.size());
        }
        return json.array(first, further, bounds[0], bounds[1]);
    }

    /** One of several values that are given. */
    private Element values(ObjectNode schema, String path) {
        schema.fieldNames().forEachRemaining(key -> {
            if (!BESIDE_VALUES.contains(key)) {
                throw SchemaKeywords.wrong(
                        path,
                        "'" + key + "' beside 'enum' or 'const' is not implemented: leave out values that it forbids");
            }
        });
        JsonNode named = schema.path("enum");
        if (schema.has("enum") && (!named.isArray() || named.isEmpty())) {
            throw SchemaKeywords.wrong(
                    path, "'enum' is " + Reasons.excerpt(named.toString()) + ", expected a list of values");
        }
        if (named.size() > MOST_VALUES) {
            throw SchemaKeywords.wrong(
                    path, "'enum' has " + named.size() + " values, at most " + MOST_VALUES + " are done");
        }
        ObjectNode only = schema.has("const")
                ? new SchemaConjunction(path).of(SchemaKeywords.restricting(schema), Json.object())
                : schema;
        List<String> types = schema.has("type") ? SchemaKeywords.types(schema, path) : SchemaKeywords.TYPES;
        List<Element> all = new ArrayList<>();
        if (only != null) {
            only.path("enum").forEach(value -> {
                if (types.stream().anyMatch(type -> isOf(type, value))) {
                    count(items(value), path);
                    all.add(constants.of(value));
                }
            });
        }
        if (all.isEmpty()) {
            throw SchemaKeywords.wrong(path, "no value of 'enum' or 'const' is of the type " + types);
        }
        return all.size() == 1 ? all.get(0) : new Choice(all);
    }

    /** How many values there are in a value. */
    private static int items(JsonNode value) {
        int all = value.size();
        for (JsonNode item : value) {
            all += items(item);
        }
        return all;
    }

    private static boolean isOf(String type, JsonNode value) {
        return switch (type) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isTextual();
            case "number" -> value.isNumber();
            case "integer" -> value.isNumber() && Math.rint(value.doubleValue()) == value.doubleValue();
            case "boolean" -> value.isBoolean();
            default -> value.isNull();
        };
    }

    private Element choice(JsonNode schemas, String path) {
        if (!schemas.isArray() || schemas.isEmpty()) {
            throw SchemaKeywords.wrong(path, "expected a list of schemas");
        }
        List<Element> all = new ArrayList<>();
        Set<JsonNode> seen = new HashSet<>();
        for (int i = 0; i < schemas.size(); i++) {
            Element each = schema(schemas.get(i), path + "/" + i);
            if (seen.add(schemas.get(i))) { // what is said twice would be read in two ways
                all.add(each);
            }
        }
        return new Choice(all);
    }

    private Element reference(JsonNode name, String path) {
        String text = name.asText();
        Reference known = definitions.get(text);
        if (known != null) {
            return known;
        }
        JsonNode target = target(name, path);
        Reference reference = new Reference();
        definitions.put(text, reference);
        referred.add(() -> reference.define(schema(target, text)));
        return reference;
    }

    /** What a {@code $ref} stands for. */
    private JsonNode target(JsonNode name, String path) {
        String text = name.asText();
        if (!text.equals("#") && !text.startsWith("#/")) {
            throw SchemaKeywords.wrong(
                    path,
                    "'$ref' is " + Reasons.excerpt(text) + ", expected a place in this schema, such as #/$defs/name");
        }
        JsonNode target;
        try {
            String pointer = URLDecoder.decode(text.substring(1).replace("+", "%2B"), StandardCharsets.UTF_8);
            target = whole.at(JsonPointer.compile(pointer));
        } catch (IllegalArgumentException e) {
            throw SchemaKeywords.wrong(path, "'$ref' is " + Reasons.excerpt(text) + ", which is no place in a schema");
        }
        if (target.isMissingNode()) {
            throw SchemaKeywords.wrong(
                    path,
                    "'$ref' is " + Reasons.excerpt(text) + ", which is not there"
                            + Suggestions.didYouMean(text, definitionNames()));
        }
        return target;
    }

    private Set<String> definitionNames() {
        Set<String> names = new TreeSet<>();
        for (String section : List.of("$defs", "definitions")) {
            whole.path(section).fieldNames().forEachRemaining(name -> names.add("#/" + section + "/" + name));
        }
        return names;
    }
}
