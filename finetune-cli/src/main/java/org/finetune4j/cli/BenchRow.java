package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * A row of the table of methods.
 *
 * @param name what the table calls it
 * @param formula how many numbers it trains
 * @param settings the method's keys and its learning rate
 */
record BenchRow(String name, String formula, Map<String, Object> settings) {

    private static final String RESOURCE = "bench/methods.yaml";

    /** The learning rate that suits the quick start's model. */
    double learningRate() {
        return new Settings(name, settings).number("learning_rate", 0);
    }

    /** All rows, in the order of the table. */
    static List<BenchRow> all() {
        YAMLMapper yaml = new YAMLMapper();
        try (InputStream in = Objects.requireNonNull(BenchRow.class.getResourceAsStream(RESOURCE), RESOURCE)) {
            List<BenchRow> rows = new ArrayList<>();
            for (JsonNode node : yaml.readTree(in)) {
                Map<String, Object> settings = new LinkedHashMap<>();
                node.path("settings")
                        .properties()
                        .forEach(entry ->
                                settings.put(entry.getKey(), yaml.convertValue(entry.getValue(), Object.class)));
                rows.add(new BenchRow(
                        node.path("name").asText(), node.path("formula").asText(), settings));
            }
            return rows;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The row of this name.
     *
     * @throws UserErrorException when there is none, with the nearest name
     */
    static BenchRow named(String name) {
        List<BenchRow> all = all();
        return all.stream()
                .filter(row -> row.name.equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("there is no row '" + name + "'"
                        + Suggestions.didYouMean(
                                name, all.stream().map(BenchRow::name).toList())));
    }
}
