package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The table of methods in Markdown: the base first, then the methods by their held-out loss. */
final class MethodTable {

    private final ObjectNode base;
    private final Map<BenchRow, ObjectNode> rows = new LinkedHashMap<>();
    private final List<String> refused = new ArrayList<>();

    /** @param base the scores of the untrained base */
    MethodTable(ObjectNode base) {
        this.base = base;
    }

    void add(BenchRow row, ObjectNode measured) {
        rows.put(row, measured);
    }

    /** Notes a method that the model cannot have, with the reason. */
    void refuse(BenchRow row, String reason) {
        refused.add(row.name() + ": " + reason);
    }

    /** The names of methods that are not better than the base by held-out loss. */
    List<String> notBetter() {
        return rows.entrySet().stream()
                .filter(entry -> !(loss(entry.getValue()) < loss(base)))
                .map(entry -> entry.getKey().name())
                .toList();
    }

    private static double loss(JsonNode measured) {
        return measured.path("loss").asDouble();
    }

    /** @param title above the table */
    String markdown(String title) {
        boolean exact = base.has("exact_match");
        StringBuilder text = new StringBuilder();
        text.append("### ").append(title).append("\n\n");
        text.append("| method | kind | trains | numbers | share | peak memory | time | held-out loss |")
                .append(exact ? " exact answers |\n" : "\n")
                .append("|---|---|---|--:|--:|--:|--:|--:|")
                .append(exact ? "--:|\n" : "\n");
        text.append(String.format(Locale.ROOT, "| untrained base | | | | | | | %.3f |", loss(base)))
                .append(exactMatch(base, exact));
        rows.entrySet().stream()
                .sorted(Comparator.comparingDouble(entry -> loss(entry.getValue())))
                .forEach(entry -> text.append(line(entry.getKey(), entry.getValue()))
                        .append(exactMatch(entry.getValue(), exact)));
        refused.forEach(
                reason -> text.append("\nNot possible here: ").append(reason).append('\n'));
        return text.append('\n').toString();
    }

    private static String line(BenchRow row, JsonNode measured) {
        long trainable = measured.path("trainable").asLong();
        return String.format(
                Locale.ROOT,
                "| %s | %s | %s | %,d | %.2f %% | %,d MB | %.1f s | %.3f |",
                row.name(),
                measured.path("kind").asText(),
                row.formula(),
                trainable,
                100.0 * trainable / measured.path("model_numbers").asLong(),
                measured.path("peak_mb").asLong(),
                measured.path("seconds").asDouble(),
                loss(measured));
    }

    private static String exactMatch(JsonNode measured, boolean shown) {
        return shown
                ? String.format(
                        Locale.ROOT,
                        " %.0f %% |%n",
                        100 * measured.path("exact_match").asDouble())
                : "\n";
    }
}
