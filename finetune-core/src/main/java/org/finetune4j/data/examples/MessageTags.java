package org.finetune4j.data.examples;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/**
 * Other names for what messages are made of, as LLaMA-Factory's {@code tags} give them.
 *
 * @param roleTag the key of a message's role
 * @param contentTag the key of its content
 * @param roles from the dataset's names of roles to ShareGPT's: {@code human}, {@code gpt}, {@code system},
 *     {@code observation}, {@code function_call}
 */
public record MessageTags(String roleTag, String contentTag, Map<String, String> roles) {

    /**
     * Copies the roles.
     *
     * @param roleTag the key of a message's role
     * @param contentTag the key of its content
     * @param roles from the dataset's names of roles to ShareGPT's: {@code human}, {@code gpt}, {@code system},
     *     {@code observation}, {@code function_call}
     */
    public MessageTags {
        roles = Map.copyOf(roles);
    }

    /** The messages, or the message, in ShareGPT's words; anything else as it is. */
    JsonNode apply(JsonNode messages) {
        if (messages.isArray()) {
            ArrayNode all = JsonNodeFactory.instance.arrayNode();
            messages.forEach(message -> all.add(apply(message)));
            return all;
        }
        if (!(messages instanceof ObjectNode message)) {
            return messages;
        }
        ObjectNode renamed = message.deepCopy();
        rename(renamed, roleTag, "from");
        rename(renamed, contentTag, "value");
        String role = renamed.path("from").asText();
        if (roles.containsKey(role)) {
            renamed.put("from", roles.get(role));
        }
        return renamed;
    }

    private static void rename(ObjectNode message, String from, String to) {
        JsonNode value = message.remove(from);
        if (value != null) {
            message.set(to, value);
        }
    }
}
