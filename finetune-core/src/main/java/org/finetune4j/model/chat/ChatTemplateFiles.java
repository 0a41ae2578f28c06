package org.finetune4j.model.chat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * The chat templates of a model directory: {@code chat_template.jinja} with those in {@code additional_chat_templates}, or
 * {@code chat_template.json}, or what {@code tokenizer_config.json} has, which may be a list of named ones.
 *
 * @param origin the file or folder they come from, for messages
 * @param byName their sources; the usual one is called {@link #DEFAULT}; empty where the model has none
 */
record ChatTemplateFiles(Path origin, Map<String, String> byName) {

    static final String DEFAULT = "default";
    /** The one that is used where a conversation comes with tools. */
    static final String TOOLS = "tool_use";

    private static final String ENDING = ".jinja";
    private static final String MORE = "additional_chat_templates";

    /** Where a directory has its usual template. */
    static final String OWN = "chat_template" + ENDING;
    /** Where it has the one for conversations with tools. */
    static final String OWN_FOR_TOOLS = MORE + "/" + TOOLS + ENDING;

    static ChatTemplateFiles read(Path directory) {
        Path own = directory.resolve(OWN);
        Path more = directory.resolve(MORE);
        Map<String, String> byName = new LinkedHashMap<>();
        if (Files.exists(own)) {
            byName.put(DEFAULT, InputFiles.text(own));
        }
        if (Files.isDirectory(more)) {
            for (Path file : templates(more)) {
                String name = file.getFileName().toString();
                byName.put(name.substring(0, name.length() - ENDING.length()), InputFiles.text(file));
            }
        }
        if (!byName.isEmpty()) {
            return new ChatTemplateFiles(Files.exists(own) ? own : more, byName);
        }
        Path json = directory.resolve("chat_template.json");
        Path file = Files.exists(json) ? json : directory.resolve("tokenizer_config.json");
        return new ChatTemplateFiles(
                file, Files.exists(file) ? named(InputFiles.jsonObject(file).path("chat_template")) : Map.of());
    }

    private static List<Path> templates(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(ENDING))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + folder + ": " + Reasons.of(e), e);
        }
    }

    /** A text, a list of named ones, or a map of these. */
    private static Map<String, String> named(JsonNode templates) {
        if (templates.isTextual()) {
            return Map.of(DEFAULT, templates.textValue());
        }
        Map<String, String> byName = new LinkedHashMap<>();
        if (templates.isObject()) {
            templates
                    .properties()
                    .forEach(
                            entry -> byName.put(entry.getKey(), entry.getValue().asText()));
        } else {
            templates.forEach(named -> byName.put(
                    named.path("name").asText(), named.path("template").asText()));
        }
        return byName;
    }

    /** The special tokens that the files beside it name, by the names templates know them by. */
    static Map<String, String> specialTokens(Path directory) {
        Map<String, String> tokens = new LinkedHashMap<>();
        for (String name : List.of("special_tokens_map.json", "tokenizer_config.json")) {
            Path file = directory.resolve(name);
            JsonNode config = Files.exists(file) ? InputFiles.jsonObject(file) : Json.object();
            config.properties().forEach(field -> {
                JsonNode value = field.getValue();
                JsonNode text = value.isObject() ? value.path("content") : value;
                if (field.getKey().endsWith("_token") && text.isTextual()) {
                    tokens.put(field.getKey(), text.textValue());
                }
            });
        }
        return tokens;
    }
}
