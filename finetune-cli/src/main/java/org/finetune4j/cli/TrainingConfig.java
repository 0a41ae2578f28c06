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
import org.finetune4j.Reasons;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;

/** A training configuration: a YAML file, and {@code key=value} arguments that go before it. */
final class TrainingConfig {

    private static final ObjectMapper YAML = YAMLMapper.builder(new YAMLFactory())
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
        Map<String, Object> values = new LinkedHashMap<>(given);
        for (String override : overrides) {
            int equals = override.indexOf('=');
            if (equals < 1) {
                throw new UserErrorException("'" + override + "': expected key=value");
            }
            values.put(override.substring(0, equals), value(override, override.substring(equals + 1)));
        }
        return new Settings(origin, values);
    }

    @SuppressWarnings("unchecked")
    /** The keys of a file with their values. */
    static Map<String, Object> parse(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new UserErrorException("no configuration file " + file);
        }
        try {
            JsonNode root = YAML.readTree(file.toFile());
            if (!(root instanceof ObjectNode)) {
                throw new UserErrorException(file + ": expected keys with values, such as learning_rate: 2e-4");
            }
            return YAML.convertValue(root, LinkedHashMap.class);
        } catch (JsonProcessingException e) {
            String place = e.getLocation() == null ? "" : ":" + e.getLocation().getLineNr();
            String problem = e.getOriginalMessage().lines().findFirst().orElse("cannot be read");
            throw new UserErrorException(file + place + ": not YAML: " + problem, e);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
    }

    private static Object value(String override, String text) {
        try {
            Object value = YAML.readValue(text, Object.class);
            return value == null ? text : value;
        } catch (JsonProcessingException e) {
            throw new UserErrorException("'" + override + "': the value is not YAML", e);
        }
    }
}
