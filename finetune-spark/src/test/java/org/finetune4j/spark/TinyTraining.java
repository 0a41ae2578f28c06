package org.finetune4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.dist.launch.RankProgram;

/** A directory with everything a small training needs: the quick start's model, some records and a configuration. */
final class TinyTraining {

    private static final double TOLERANCE = 1e-5;
    private static final Pattern LOSS = Pattern.compile("\"loss\":([-+.\\deE]+)");

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
            report_to: html
            num_preview_samples: 0
            zero_stage: 2
            """;

    final Path directory;
    final Path config;

    TinyTraining(Path directory) throws IOException {
        this.directory = directory;
        Path model = Files.createDirectories(directory.resolve("model"));
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")) {
            try (InputStream file =
                    TinyTraining.class.getResourceAsStream("/org/finetune4j/cli/quickstart/model/" + name)) {
                Files.copy(file, model.resolve(name));
            }
        }
        Path data = directory.resolve("data.jsonl");
        Files.writeString(data, """
                {"instruction": "Where does Tom live?", "output": "In Oslo."}
                {"instruction": "What is the pet of Tom?", "output": "A dog."}
                {"instruction": "What does Tom like to eat?", "output": "They eat soup."}
                """);
        this.config = directory.resolve("config.yaml");
        Files.writeString(config, CONFIG.formatted(model, data, directory.resolve("unused")));
    }

    /** Trains as {@code ./finetune train} does. */
    Path trainAlone(String... overrides) throws Exception {
        Path output = directory.resolve("alone");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                RankClassPath.find(),
                RankProgram.MAIN,
                "train",
                config.toString(),
                "output_dir=" + output));
        command.addAll(List.of(overrides));
        Path said = directory.resolve("alone.txt");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        assertTrue(process.waitFor(120, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue(), Files.readString(said));
        return output;
    }

    /** Compares what two runs have logged, but for the steps of attempts that were made again. */
    static void requireSameLosses(Path expected, Path found) throws IOException {
        List<Double> losses = losses(expected);
        List<Double> own = losses(found);
        assertTrue(losses.size() > 3, "steps that were logged");
        assertEquals(losses.size(), own.size());
        for (int i = 0; i < losses.size(); i++) {
            assertEquals(losses.get(i), own.get(i), TOLERANCE * losses.get(i), "step " + i);
        }
    }

    private static List<Double> losses(Path output) throws IOException {
        List<Double> losses = new ArrayList<>();
        Pattern stepOf = Pattern.compile("\"step\":(\\d+)");
        for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
            Matcher loss = LOSS.matcher(line);
            Matcher step = stepOf.matcher(line);
            if (line.contains("\"grad_norm\"") && loss.find() && step.find()) {
                while (losses.size() >= Integer.parseInt(step.group(1))) {
                    losses.remove(losses.size() - 1);
                }
                losses.add(Double.parseDouble(loss.group(1)));
            }
        }
        return losses;
    }
}
