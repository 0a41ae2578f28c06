package org.finetune4j;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Locale;
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
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
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
        try {
            return present(MAPPER.readTree(text), origin);
        } catch (JsonProcessingException e) {
            throw notJson(origin, e);
        }
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
    static JsonNode parse(byte[] content, Object origin) {
        try {
            return present(MAPPER.readTree(content), origin);
        } catch (JsonProcessingException e) {
            throw notJson(origin, e);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + origin + ": " + Reasons.of(e), e);
        }
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

    private static JsonNode present(@Nullable JsonNode node, Object origin) {
        if (node == null || node.isMissingNode()) {
            throw new UserErrorException(origin + ": empty, expected JSON");
        }
        return node;
    }

    /** The value where it is an object. */
    static ObjectNode object(JsonNode node, Object origin) {
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw new UserErrorException(origin + ": expected a JSON object, it holds "
                + node.getNodeType().name().toLowerCase(Locale.ROOT));
    }

    private static UserErrorException notJson(Object origin, JsonProcessingException e) {
        return new UserErrorException(origin + ": not valid JSON: " + Reasons.of(e), e);
    }
}
