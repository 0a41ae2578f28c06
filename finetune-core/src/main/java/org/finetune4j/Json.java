package org.finetune4j;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * JSON as the standard has it, read and written in one way everywhere: a key stands once, nothing follows the value, NaN and
 * Infinity are no numbers, values nest 500 deep at most. A number that JSON cannot hold is written as a string.
 */
public final class Json {

    /** Nesting beyond this is refused; deeper values would end in a StackOverflowError somewhere. */
    private static final int DEEPEST = 500;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(DEEPEST)
                            .maxStringLength(Integer.MAX_VALUE)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .build();

    private Json() {}

    /**
     * A new object.
     *
     * @return an object without keys
     */
    public static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /**
     * A new array.
     *
     * @return an array without elements
     */
    public static ArrayNode array() {
        return MAPPER.createArrayNode();
    }

    /**
     * Reads a text.
     *
     * @param text JSON
     * @param origin where it comes from, for messages: a file, or a file and a line
     * @return its value
     * @throws UserErrorException when it is not JSON, with origin, line and column
     */
    public static JsonNode parse(String text, Object origin) {
        return parse(factory -> factory.createParser(text), origin);
    }

    /**
     * Reads a text that must be an object.
     *
     * @param text JSON
     * @param origin where it comes from, for messages
     * @return its keys and values
     * @throws UserErrorException when it is not JSON, or not an object
     */
    public static ObjectNode parseObject(String text, Object origin) {
        return object(parse(text, origin), origin);
    }

    /**
     * Reads the content of a file.
     *
     * @param content JSON in UTF-8, or in UTF-16 or UTF-32 with a byte order mark
     * @param origin where it comes from, for messages
     * @return its value
     * @throws UserErrorException when it is not JSON, with origin, line and column
     */
    public static JsonNode parse(byte[] content, Object origin) {
        return parse(factory -> factory.createParser(content), origin);
    }

    /**
     * A value made of Java's maps, lists, texts and numbers.
     *
     * @param value null, a text, a number, a flag, or a map or collection of them
     * @return the same as JSON
     */
    public static JsonNode of(@Nullable Object value) {
        return MAPPER.valueToTree(value);
    }

    /**
     * The text of a value on one line.
     *
     * @param value what {@link #of} takes, or a node
     * @return JSON that any parser reads
     */
    public static String write(@Nullable Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("cannot be written as JSON: " + value, e);
        }
    }

    /**
     * The text of a value on several lines, indented.
     *
     * @param value what {@link #of} takes, or a node
     * @return JSON that any parser reads
     */
    public static String writePretty(@Nullable Object value) {
        try {
            return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("cannot be written as JSON: " + value, e);
        }
    }

    /**
     * The text of a value on one line, in UTF-8.
     *
     * @param value what {@link #of} takes, or a node
     * @return JSON that any parser reads
     */
    public static byte[] bytes(@Nullable Object value) {
        return write(value).getBytes(StandardCharsets.UTF_8);
    }

    /**
     * The text of a map as Python's {@code json.dumps(indent=2, sort_keys=True)} lays it out.
     *
     * @param values the map
     * @return JSON that any parser reads
     */
    public static String writeAsPython(Map<String, ? extends @Nullable Object> values) {
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter(Separators.createDefaultInstance()
                        .withObjectFieldValueSpacing(Separators.Spacing.AFTER)
                        .withArrayEmptySeparator("")
                        .withObjectEmptySeparator(""))
                .withArrayIndenter(DefaultIndenter.SYSTEM_LINEFEED_INSTANCE);
        try {
            return MAPPER.writer(printer)
                    .with(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
                    .writeValueAsString(new TreeMap<>(values));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("cannot be written as JSON: " + values, e);
        }
    }

    /**
     * An object as Java's maps, lists, texts and numbers.
     *
     * @param object the object
     * @return its keys in their order
     */
    public static Map<String, @Nullable Object> toMap(JsonNode object) {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        map.putAll(MAPPER.convertValue(object, new TypeReference<LinkedHashMap<String, Object>>() {}));
        return map;
    }

    /**
     * An array as Java's maps, lists, texts and numbers.
     *
     * @param array the array
     * @return its elements
     */
    public static List<Object> toList(JsonNode array) {
        return MAPPER.convertValue(array, new TypeReference<List<Object>>() {});
    }

    /**
     * For what is too large to be read or written as a whole: parsers and generators that keep the same rules, but for what
     * follows the value, which the caller looks for.
     *
     * @return makes parsers and generators; its trees are those of this class
     */
    public static JsonFactory factory() {
        return MAPPER.getFactory();
    }

    private interface Source {
        JsonParser parser(JsonFactory factory) throws IOException;
    }

    private static JsonNode parse(Source source, Object origin) {
        try (JsonParser parser = source.parser(MAPPER.getFactory())) {
            JsonNode node = MAPPER.readTree(parser);
            if (node == null || node.isMissingNode()) {
                throw new UserErrorException(origin + ": empty, expected JSON");
            }
            if (parser.nextToken() != null) {
                JsonLocation place = parser.currentTokenLocation();
                throw new UserErrorException(origin + ": not valid JSON: there is more after the value (line "
                        + place.getLineNr() + ", column " + place.getColumnNr() + ")");
            }
            return node;
        } catch (JsonProcessingException e) {
            throw new UserErrorException(origin + ": not valid JSON: " + Reasons.of(e), e);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + origin + ": " + Reasons.of(e), e);
        }
    }

    /** The value where it is an object. */
    static ObjectNode object(JsonNode node, Object origin) {
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw new UserErrorException(origin + ": expected a JSON object, it holds "
                + node.getNodeType().name().toLowerCase(Locale.ROOT));
    }
}
