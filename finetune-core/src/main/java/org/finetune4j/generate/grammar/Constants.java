package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.Json;
import org.finetune4j.generate.grammar.Element.Literal;
import org.finetune4j.generate.grammar.Element.Sequence;

/** Values that are given, as they are written. */
final class Constants {

    private final JsonElements json;

    Constants(JsonElements json) {
        this.json = json;
    }

    /** A value, with what may stand between its words. */
    Element of(JsonNode value) {
        if (!value.isContainerNode() || value.isEmpty()) {
            return value.isContainerNode()
                    ? new Sequence(
                            new Literal(value.isObject() ? "{" : "["),
                            json.spaced(new Literal(value.isObject() ? "}" : "]")))
                    : text(value);
        }
        List<Element> parts = new ArrayList<>();
        if (value.isArray()) {
            value.forEach(item -> add(parts, "[", of(item)));
        } else {
            value.properties()
                    .forEach(member -> add(parts, "{", json.member(name(member.getKey()), of(member.getValue()))));
        }
        parts.add(json.spaced(new Literal(value.isObject() ? "}" : "]")));
        return new Sequence(parts.toArray(new Element[0]));
    }

    private void add(List<Element> parts, String open, Element part) {
        if (parts.isEmpty()) {
            parts.add(new Literal(open));
        } else {
            parts.add(json.spaced(new Literal(",")));
        }
        parts.add(json.spaced(part));
    }

    /** A text as the name of a member. */
    static Literal name(String text) {
        return text(Json.of(text));
    }

    private static Literal text(JsonNode value) {
        String written = Json.write(value);
        StringBuilder whole = new StringBuilder();
        written.codePoints().forEach(each -> {
            if (each >= Character.MIN_SURROGATE && each <= Character.MAX_SURROGATE) {
                whole.append(String.format("\\u%04x", each)); // half of a pair, which UTF-8 has no bytes for
            } else {
                whole.appendCodePoint(each);
            }
        });
        return new Literal(whole.toString());
    }
}
