package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.cli.quickstart.EmbeddedModelFiles;

/** A directory with everything a small training needs: the embedded model, some records and a configuration. */
final class TrainingFiles {

    private static final String CONFIG = """
            model_name_or_path: %s
            train_file: %s
            output_dir: %s
            prompt_template: "Q: {instruction}\\nA:\\n"
            method: lora
            r: 4
            target_modules: [q_proj, v_proj]
            learning_rate: 1e-3
            per_device_train_batch_size: 2
            max_steps: 4
            max_length: 64
            report_to: none
            num_preview_samples: 0
            """;

    final Path directory;
    final Path model;
    final Path data;
    final Path config;
    final Path output;

    TrainingFiles(Path directory) {
        this.directory = directory;
        this.model = EmbeddedModelFiles.unpack(directory.resolve("model"));
        this.data = directory.resolve("data.jsonl");
        this.config = directory.resolve("config.yaml");
        this.output = directory.resolve("out");
        write(
                data,
                String.join(
                        "\n",
                        record("Where does Tom live?", "In Oslo."),
                        record("What is the pet of Tom?", "A dog."),
                        record("What does Tom like to eat?", "They eat soup.")));
        write(config, CONFIG.formatted(model, data, output));
    }

    static String record(String instruction, String answer) {
        return "{\"instruction\": \"%s\", \"input\": \"\", \"output\": \"%s\"}".formatted(instruction, answer);
    }

    /** Settings as a configuration, every value as JSON, which is YAML. */
    static String yaml(Map<String, Object> settings) {
        StringBuilder yaml = new StringBuilder();
        settings.forEach((key, value) ->
                yaml.append(key).append(": ").append(Json.write(value)).append('\n'));
        return yaml.toString();
    }

    static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Replaces one text in a file. */
    static void edit(Path file, String old, String replacement) {
        try {
            String text = Files.readString(file);
            if (!text.contains(old)) {
                throw new IllegalArgumentException(file + " does not contain " + old);
            }
            Files.writeString(file, text.replace(old, replacement));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All lines of a run's metrics. */
    static List<JsonNode> metrics(Path output) {
        Path file = output.resolve("metrics.jsonl");
        try (Stream<String> lines = Files.lines(file)) {
            return lines.map(line -> Json.parse(line, file)).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The lines of one kind, such as {@code step}, of the run here. */
    List<JsonNode> events(String kind) {
        return metrics(output).stream()
                .filter(event -> event.path("event").asText().equals(kind))
                .toList();
    }

    CommandRun train(String... overrides) {
        return run("train", overrides);
    }

    /** Asks a model with the adapter that was trained here. */
    CommandRun generate(Path base, String prompt, String... more) {
        List<String> args =
                new ArrayList<>(List.of("generate", "--model", base.toString(), "--adapter", output.toString()));
        args.addAll(List.of("--prompt", prompt));
        args.addAll(List.of(more));
        return CommandRun.of(args.toArray(String[]::new));
    }

    /** Merges the adapter that was trained here into the base model. */
    CommandRun merge(Path target) {
        return CommandRun.of(
                "merge", "--model", model.toString(), "--adapter", output.toString(), "--output", target.toString());
    }

    CommandRun run(String command, String... overrides) {
        List<String> args = new ArrayList<>(List.of(command, config.toString()));
        args.addAll(List.of(overrides));
        return CommandRun.of(args.toArray(String[]::new));
    }
}
