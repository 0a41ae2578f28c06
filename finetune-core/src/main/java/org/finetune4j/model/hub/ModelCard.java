package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;

/** Writes the README.md of a model or adapter from what its own files say. */
final class ModelCard {

    private ModelCard() {}

    /**
     * The card as Markdown with metadata in front.
     *
     * @param id the repository's name
     */
    static String of(Path folder, String id) {
        JsonNode adapter = read(folder.resolve(AdapterDirectory.CONFIG));
        JsonNode config = read(folder.resolve("config.json"));
        boolean isAdapter = !adapter.isEmpty();
        String base = isAdapter
                ? adapter.path("base_model_name_or_path").asText("")
                : config.path("_name_or_path").asText("");
        String method = isAdapter ? adapter.path("peft_type").asText("") : "";
        StringBuilder card = new StringBuilder("---\n");
        if (isPublicName(base)) {
            card.append("base_model: ").append(base).append('\n');
        }
        card.append("library_name: ")
                .append(isAdapter ? "peft" : "transformers")
                .append('\n');
        card.append("pipeline_tag: text-generation\ntags:\n- finetune4j\n");
        if (!method.isEmpty()) {
            card.append("- ").append(method.toLowerCase(Locale.ROOT)).append('\n');
        }
        card.append("---\n\n# ").append(id.substring(id.indexOf('/') + 1)).append("\n\n");
        card.append(isAdapter ? "An adapter" : "A model").append(" trained with Finetune4j.\n\n");
        for (String fact : facts(adapter, config, isPublicName(base) ? base : "", method)) {
            card.append("- ").append(fact).append('\n');
        }
        List<String> metrics = metrics(lastEvent(folder.resolve("metrics.jsonl")));
        if (!metrics.isEmpty()) {
            card.append("\n## Metrics\n\n| metric | value |\n|---|---|\n");
            metrics.forEach(card::append);
        }
        return card.toString();
    }

    /** A directory of somebody's disk says nothing to others, and should not be told to them. */
    private static boolean isPublicName(String base) {
        return base.contains("/") && HubRepository.isId(base) && !Files.exists(Path.of(base));
    }

    private static List<String> facts(JsonNode adapter, JsonNode config, String base, String method) {
        List<String> facts = new ArrayList<>();
        if (!base.isEmpty()) {
            facts.add("Base model: " + base);
        }
        facts.add("Method: " + (method.isEmpty() ? "full weights" : method));
        for (String key : List.of("r", "lora_alpha", "target_modules")) {
            JsonNode value = adapter.path(key);
            if (!value.isMissingNode() && !value.isNull()) {
                facts.add("`" + key + "`: " + value.toString().replace("\"", ""));
            }
        }
        JsonNode architecture = config.path("architectures").path(0);
        if (architecture.isTextual()) {
            facts.add("Architecture: " + architecture.asText());
        }
        return facts;
    }

    private static List<String> metrics(JsonNode results) {
        List<String> rows = new ArrayList<>();
        results.properties().forEach(field -> {
            if (field.getValue().isNumber()) {
                rows.add("| " + field.getKey().replace("|", "\\|") + " | " + field.getValue() + " |\n");
            }
        });
        return rows;
    }

    /** How the training ended, from its log of events. */
    private static JsonNode lastEvent(Path log) {
        JsonNode end = Json.object();
        if (!Files.isRegularFile(log)) {
            return end;
        }
        try {
            for (String line : Files.readAllLines(log)) {
                JsonNode event = Json.parse(line, log);
                end = event.path("event").asText().equals("end") ? event : end;
            }
            return end;
        } catch (IOException | UserErrorException e) {
            return end; // A log that a kill cut off: what was read before counts.
        }
    }

    private static JsonNode read(Path file) {
        if (!Files.isRegularFile(file)) {
            return Json.object();
        }
        return InputFiles.jsonObject(file);
    }
}
