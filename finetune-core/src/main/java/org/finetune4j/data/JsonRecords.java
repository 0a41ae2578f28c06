package org.finetune4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** Strict reading of JSON records: UTF-8 only, no key twice, nothing after the value, nesting and lengths bounded. */
final class JsonRecords {

    private JsonRecords() {}

    /** For records that are read one after the other from a stream. */
    static JsonParser parser(InputStream stream) throws IOException {
        return Json.factory().createParser(stream);
    }

    /** For bytes that are not known to be a record. */
    static JsonParser parser(byte[] bytes, int length) throws IOException {
        return Json.factory().createParser(bytes, 0, length);
    }

    /**
     * Parses one record that fills {@code bytes[0, length)}.
     *
     * @param location for messages
     * @return the record; a list of messages as {@code {"messages": [...]}}
     * @throws UserErrorException when it is not exactly one JSON object, or list of messages
     */
    static JsonNode parse(byte[] bytes, int length, String location) {
        return record(parseText(text(bytes, length, location), location), location);
    }

    /** Parses one value of any kind; see {@link #parse}. */
    static JsonNode parseAny(byte[] bytes, String location) {
        return parseText(text(bytes, bytes.length, location), location);
    }

    /** @throws UserErrorException when the bytes are not UTF-8 */
    static String text(byte[] bytes, int length, String location) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(bytes, 0, length))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new UserErrorException(location + ": not valid UTF-8", e);
        }
    }

    private static JsonNode parseText(String text, String location) {
        try (JsonParser parser = Json.factory().createParser(text)) {
            JsonNode node = parser.readValueAsTree();
            if (parser.nextToken() != null) {
                throw new UserErrorException(location + ": there is more on the line after the JSON object (column "
                        + parser.currentTokenLocation().getColumnNr() + ")");
            }
            return node == null ? MissingNode.getInstance() : node;
        } catch (JsonProcessingException e) {
            String column =
                    e.getLocation() == null ? "" : " (column " + e.getLocation().getColumnNr() + ")";
            throw new UserErrorException(location + ": not valid JSON: " + reason(e) + column, e);
        } catch (IOException e) {
            throw new UserErrorException(location + ": " + Reasons.of(e), e);
        }
    }

    /** What the parser found wrong, without its advice to programmers. */
    private static String reason(JsonProcessingException e) {
        return Reasons.oneLine(e.getOriginalMessage()).replaceFirst(": enable `.*", ": JSON has no such value");
    }

    /** An object is a record; a list of objects is a conversation whose messages have no name. */
    private static JsonNode record(JsonNode node, String location) {
        if (node.isObject()) {
            return node;
        }
        if (!node.isArray() || !isMessage(node.path(0))) {
            throw new UserErrorException(location + ": a record must be a JSON object"
                    + ", got " + node.getNodeType().name().toLowerCase(Locale.ROOT)
                    + (node.isArray() ? ", which is no list of messages" : ""));
        }
        ObjectNode conversation = JsonNodeFactory.instance.objectNode();
        conversation.set("messages", node);
        return conversation;
    }

    /** Whether this is one message of a conversation. */
    static boolean isMessage(JsonNode element) {
        return (element.path("role").isTextual()
                        && (element.has("content") || element.has("tool_calls") || element.has("function_call")))
                || (element.path("from").isTextual() && element.has("value"));
    }
}
