package org.finetune4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** A training configuration: a YAML file, and {@code key=value} arguments that go before it. */
final class TrainingConfig {

    static final ObjectMapper YAML = YAMLMapper.builder(new YAMLFactory())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private TrainingConfig() {}

    /**
     * Reads the file and applies the overrides.
     *
     * @throws UserErrorException when the file is missing, is not YAML (with the line), or an override has no {@code =}
     */
    static Settings read(Path file, List<String> overrides) {
        return with(file.toString(), parse(file), overrides);
    }

    /** Settings that are not in a file, with {@code key=value} arguments that go before them. */
    static Settings with(String origin, Map<String, ?> given, List<String> overrides) {
        Settings base = FamiliarKeys.translate(new Settings(origin, given));
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.putAll(base.asMap());
        Map<String, String> written = new LinkedHashMap<>(base.written());
        Map<String, @Nullable Object> first = new LinkedHashMap<>();
        for (String override : overrides) {
            int equals = override.indexOf('=');
            if (equals < 1) {
                throw new UserErrorException("'" + override + "': expected key=value");
            }
            String text = override.substring(equals + 1);
            first.put(override.substring(0, equals), text.strip().equals("null") ? null : value(override, text));
        }
        Settings before = FamiliarKeys.translate(new Settings(origin, first));
        values.putAll(before.asMap());
        written.keySet().removeAll(before.asMap().keySet());
        written.putAll(before.written());
        Settings own = FamiliarKeys.translate(new Settings(origin, values, written));
        return DeepSpeedKeys.with(own, before.asMap().keySet());
    }

    /** The keys of a file with their values. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> parse(Path file) {
        requireFile(file);
        try {
            JsonNode root = YAML.readTree(InputFiles.text(file));
            if (!(root instanceof ObjectNode)) {
                throw new UserErrorException(file + ": expected keys with values, such as learning_rate: 2e-4");
            }
            return YAML.convertValue(root, LinkedHashMap.class);
        } catch (JsonProcessingException e) {
            String place = e.getLocation() == null ? "" : ":" + e.getLocation().getLineNr();
            String problem = e.getOriginalMessage().lines().findFirst().orElse("cannot be read");
            throw new UserErrorException(file + place + ": not YAML: " + problem, e);
        }
    }

    private static void requireFile(Path file) {
        if (Files.isDirectory(file)) {
            List<String> inside = yamlFiles(file);
            throw new UserErrorException(file + " is a directory, expected a YAML file"
                    + (inside.isEmpty() ? "" : ", such as " + file.resolve(inside.get(0))));
        }
        if (!Files.exists(file)) {
            boolean override = file.toString().contains("=");
            Path directory = Objects.requireNonNullElse(file.getParent(), Path.of(""));
            throw new UserErrorException("no configuration file " + file
                    + (override
                            ? ": the file comes first, key=value arguments after it"
                            : Suggestions.didYouMean(String.valueOf(file.getFileName()), yamlFiles(directory))));
        }
    }

    private static List<String> yamlFiles(Path directory) {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.map(entry -> String.valueOf(entry.getFileName()))
                    .filter(name -> name.endsWith(".yaml") || name.endsWith(".yml"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            return List.of(); // there is nothing to suggest
        }
    }

    /** What a text says as YAML. */
    static Object value(String override, String text) {
        if (text.startsWith("*")) {
            return text; // a pattern of files, which YAML takes for a reference to another value
        }
        try {
            Object value = YAML.readValue(text, Object.class);
            return value == null ? text : value;
        } catch (JsonProcessingException e) {
            throw new UserErrorException("'" + override + "': the value is not YAML", e);
        }
    }
}
