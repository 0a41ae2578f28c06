package org.finetune4j.site;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.UncheckedIOException;

/** A Jupyter notebook as Markdown: its texts, its code, and what the cells showed when they ran. */
final class Notebook {

    private static final ObjectMapper JSON = new ObjectMapper();

    private Notebook() {}

    static String markdown(String notebook) {
        try {
            StringBuilder page = new StringBuilder();
            JSON.readTree(notebook).path("cells").forEach(cell -> append(page, cell));
            return page.toString();
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void append(StringBuilder page, JsonNode cell) {
        String source = lines(cell.path("source"));
        if (cell.path("cell_type").asText().equals("markdown")) {
            page.append(source).append("\n\n");
            return;
        }
        page.append("```java\n").append(source).append("\n```\n\n");
        for (JsonNode output : cell.path("outputs")) {
            String html = lines(output.path("data").path("text/html"));
            String text = lines(output.path("text")) + lines(output.path("data").path("text/plain"));
            if (!html.isEmpty()) {
                page.append("<div class=\"shown\">").append(html).append("</div>\n\n");
            } else if (!text.isBlank()) {
                page.append("````\n").append(text.stripTrailing()).append("\n````\n\n");
            }
        }
    }

    /** A text that may be written as a list of its lines. */
    private static String lines(JsonNode text) {
        StringBuilder all = new StringBuilder(text.isTextual() ? text.asText() : "");
        if (text.isArray()) {
            text.forEach(line -> all.append(line.asText()));
        }
        return all.toString();
    }
}
