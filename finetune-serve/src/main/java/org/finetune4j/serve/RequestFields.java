package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The fields of a request's body; what is wrong with one is said by its name. A field that is null counts as not given. */
final class RequestFields {

    private final ObjectNode root;

    private RequestFields(ObjectNode root) {
        this.root = root;
    }

    static RequestFields parse(byte[] body) {
        JsonNode node;
        try {
            node = Json.parse(body, "request body");
        } catch (UserErrorException e) {
            throw ApiException.invalid(null, String.valueOf(e.getMessage()));
        }
        if (!(node instanceof ObjectNode object)) {
            throw ApiException.invalid(null, "the body must be a JSON object");
        }
        return new RequestFields(object);
    }

    static RequestFields of(ObjectNode object) {
        return new RequestFields(object);
    }

    /** The value, or a missing node. */
    JsonNode node(String key) {
        JsonNode value = root.path(key);
        return value.isNull() ? MissingNode.getInstance() : value;
    }

    boolean has(String key) {
        return !node(key).isMissingNode();
    }

    @Nullable
    String text(String key) {
        JsonNode value = node(key);
        if (value.isMissingNode()) {
            return null;
        }
        if (!value.isTextual()) {
            throw wrong(key, "a text");
        }
        return value.textValue();
    }

    String requiredText(String key) {
        String text = text(key);
        if (text == null) {
            throw ApiException.invalid(key, "missing_required_parameter", "'" + key + "' is missing");
        }
        return text;
    }

    @Nullable
    Double number(String key, double least, double most) {
        JsonNode value = node(key);
        if (value.isMissingNode()) {
            return null;
        }
        double number = value.isNumber() ? value.doubleValue() : Double.NaN;
        if (!(number >= least && number <= most)) {
            throw wrong(key, "a number from " + least + " to " + most);
        }
        return number;
    }

    @Nullable
    Integer whole(String key, int least, int most) {
        JsonNode value = node(key);
        if (value.isMissingNode()) {
            return null;
        }
        boolean whole = value.isNumber() && value.canConvertToInt() && value.doubleValue() == value.intValue();
        if (!whole || value.intValue() < least || value.intValue() > most) {
            throw wrong(
                    key, most == Integer.MAX_VALUE ? "a whole number from " + least : "from " + least + " to " + most);
        }
        return value.intValue();
    }

    @Nullable
    Long seed(String key) {
        JsonNode value = node(key);
        if (value.isMissingNode()) {
            return null;
        }
        if (!value.isIntegralNumber() || !value.canConvertToLong()) {
            throw wrong(key, "a whole number of 64 bits");
        }
        return value.longValue();
    }

    boolean flag(String key) {
        JsonNode value = node(key);
        if (value.isMissingNode()) {
            return false;
        }
        if (!value.isBoolean()) {
            throw wrong(key, "true or false");
        }
        return value.booleanValue();
    }

    /** A text, or a list of texts. */
    List<String> texts(String key, int most) {
        JsonNode value = node(key);
        if (value.isMissingNode()) {
            return List.of();
        }
        List<String> texts = new ArrayList<>();
        for (JsonNode each : value.isArray() ? value : List.of(value)) {
            if (!each.isTextual() || each.textValue().isEmpty() || texts.size() == most) {
                throw wrong(key, "a text, or a list of up to " + most + " texts, none of them empty");
            }
            texts.add(each.textValue());
        }
        return texts;
    }

    /** An object, or null. */
    @Nullable
    RequestFields object(String key) {
        JsonNode value = node(key);
        if (value.isMissingNode()) {
            return null;
        }
        if (!(value instanceof ObjectNode object)) {
            throw wrong(key, "an object");
        }
        return new RequestFields(object);
    }

    Map<String, @Nullable Object> asMap() {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        map.putAll(Json.toMap(root));
        return map;
    }

    /** Refuses a field that would change the answer, unless it says what is done anyway. */
    void refuse(String key, Predicate<JsonNode> neutral) {
        JsonNode value = node(key);
        if (!value.isMissingNode() && !neutral.test(value)) {
            throw ApiException.unsupported(key, "'" + key + "' is not implemented here: leave it out");
        }
    }

    ApiException wrong(String key, String expected) {
        return ApiException.invalid(
                key, "'" + key + "' is " + Reasons.excerpt(node(key).toString()) + ", expected " + expected);
    }
}
