package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a configuration says and its command does not read is refused by its name, wherever it stands. */
class UnusedKeysTest {

    private static final int MISSPELT = 40;

    private static final String DATA = """
            model_name_or_path: base
            output_dir: out
            learning_rate: 1e-3
            per_device_train_batch_size: 2
            max_length: 64
            """;

    private static final String AUTO = DATA + """
            train_file: a.jsonl
            method: auto
            lora_dropout: 0.1
            auto: {budget_steps: 6, candidates: 3, methods: [ia3, lora]}
            """;

    private static final String CONTINUAL = DATA + """
            method: lora
            lora_alpha: 4
            continual: {method: ewc, ewc_lambda: 10}
            tasks:
              - {name: one, train_file: a.jsonl, eval_file: b.jsonl}
              - {name: two, train_file: c.jsonl, num_train_epochs: 2}
            """;

    private static final String PIPELINE = DATA + """
            method: lora
            lora_alpha: 4
            stages: [sft, dpo]
            sft: {train_file: a.jsonl}
            dpo: {train_file: b.jsonl, beta: 0.2}
            """;

    private static final String DISTIL = DATA + """
            train_file: a.jsonl
            stage: distill
            teacher_model_name_or_path: teacher
            method: lora
            """;

    static Stream<Arguments> commands() {
        return Stream.of(
                Arguments.of("auto", AUTO, (Consumer<Settings>) AutoSettings::of),
                Arguments.of("continual", CONTINUAL, (Consumer<Settings>) ContinualSettings::of),
                Arguments.of("pipeline", PIPELINE, (Consumer<Settings>) PipelineSettings::of),
                Arguments.of("distill", DISTIL, (Consumer<Settings>) UnusedKeysTest::training));
    }

    private static void training(Settings settings) {
        TrainingSettings read = TrainingSettings.read(settings);
        settings.refuseUnknown(read.foreignKeys(settings));
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> parse(String text) {
        try {
            return TrainingConfig.YAML.readValue(text, LinkedHashMap.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void read(Map<String, Object> values, Consumer<Settings> reader) {
        reader.accept(TrainingConfig.with("a.yaml", values, List.of()));
    }

    /** Every map of a configuration: itself, its sections, its tasks. */
    @SuppressWarnings("unchecked")
    private static void maps(Object value, List<Map<String, Object>> found) {
        if (value instanceof Map<?, ?> map) {
            found.add((Map<String, Object>) map);
            map.values().forEach(inner -> maps(inner, found));
        } else if (value instanceof List<?> list) {
            list.forEach(inner -> maps(inner, found));
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("commands")
    void aMisspeltKeyIsNamed(String command, String text, Consumer<Settings> reader) {
        assertDoesNotThrow(() -> read(parse(text), reader));
        Random random = new Random(7);
        List<String> silent = new ArrayList<>();
        for (int i = 0; i < MISSPELT; i++) {
            Map<String, Object> values = parse(text);
            List<Map<String, Object>> places = new ArrayList<>();
            maps(values, places);
            Map<String, Object> place = places.get(random.nextInt(places.size()));
            List<String> keys = new ArrayList<>(place.keySet());
            String key = keys.get(random.nextInt(keys.size()));
            int at = 1 + random.nextInt(key.length() - 1);
            String wrong = key.substring(0, at) + "zq" + key.substring(at);
            place.put(wrong, place.get(key));
            try {
                read(values, reader);
                silent.add(wrong + " was read");
            } catch (UserErrorException e) {
                String message = String.valueOf(e.getMessage());
                if (!message.contains("'" + wrong + "'") || message.contains("\n")) {
                    silent.add(wrong + ": " + message);
                }
            }
        }
        assertTrue(silent.isEmpty(), () -> command + ": " + String.join("; ", silent));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("commands")
    void aKeyOfAnotherCommandIsNamed(String command, String text, Consumer<Settings> reader) {
        Map<String, Object> others = new LinkedHashMap<>();
        others.put("auto", Map.of("budget_steps", 6));
        others.put("continual", Map.of("method", "ewc"));
        others.put("tasks", List.of(Map.of("name", "a", "train_file", "x"), Map.of("name", "b", "train_file", "y")));
        others.put("sft", Map.of("learning_rate", 1e-3));
        others.put("simpo_gamma", 0.5);
        others.put("num_virtual_tokens", 4);
        Map<String, Object> given = parse(text);
        others.forEach((key, value) -> {
            Map<String, Object> values = new LinkedHashMap<>(given);
            if (values.putIfAbsent(key, value) != null) {
                return;
            }
            String message = String.valueOf(
                    assertThrows(UserErrorException.class, () -> read(values, reader), command + " took " + key)
                            .getMessage());
            assertTrue(message.contains("'" + key + "'"), message);
        });
    }
}
