package org.finetune4j;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.StreamSupport;

/** JSON that tests read: recorded results, and what commands print. */
public final class TestJson {

    private TestJson() {}

    /**
     * {@return the content of a file}
     *
     * @param file JSON
     * @throws IOException when it cannot be read
     */
    public static JsonNode read(Path file) throws IOException {
        return Json.parse(Files.readAllBytes(file), file);
    }

    /**
     * {@return the value of a text}
     *
     * @param text JSON
     */
    public static JsonNode parse(String text) {
        return Json.parse(text, "test");
    }

    /**
     * {@return what a stream holds}
     *
     * @param content JSON
     * @throws IOException when it cannot be read
     */
    public static JsonNode read(InputStream content) throws IOException {
        return Json.parse(content.readAllBytes(), "test");
    }

    /**
     * {@return the texts of an object by their keys}
     *
     * @param object with texts alone
     */
    public static Map<String, String> texts(JsonNode object) {
        Map<String, String> texts = new LinkedHashMap<>();
        object.properties()
                .forEach(entry -> texts.put(entry.getKey(), entry.getValue().asText()));
        return texts;
    }

    /**
     * {@return an array of whole numbers}
     *
     * @param array their list
     */
    public static int[] ints(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
    }
}
