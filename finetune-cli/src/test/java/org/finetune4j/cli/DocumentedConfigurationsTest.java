package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every block that a page calls {@code yaml} is a configuration of a training, or a part of one, and is read as {@code validate}
 * reads it; so is every YAML file of the examples. YAML of other kinds has another word at its fence.
 */
class DocumentedConfigurationsTest {

    @TempDir
    Path directory;

    static List<Documentation.Block> blocks() {
        return Documentation.blocks(List.of("yaml"));
    }

    static List<Path> files() throws IOException {
        try (Stream<Path> files = Files.walk(Documentation.ROOT.resolve("examples"))) {
            return files.filter(file -> file.toString().endsWith(".yaml"))
                    .filter(file -> !file.toString().contains("cluster")
                            && !file.toString().contains("target"))
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("blocks")
    void theConfigurationsOfThePagesAreRead(Documentation.Block block) throws IOException {
        Path file = Files.writeString(directory.resolve("training.yaml"), block.code());
        assertDoesNotThrow(() -> read(file), block.toString());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("files")
    void theConfigurationsOfTheExamplesAreRead(Path file) {
        assertDoesNotThrow(() -> read(file), file.toString());
    }

    private static void read(Path file) {
        Map<String, Object> values = new LinkedHashMap<>(TrainingConfig.parse(file));
        values.putIfAbsent("model_name_or_path", "model");
        values.putIfAbsent("output_dir", "out");
        boolean stages = values.containsKey("stages");
        if (!stages
                && !values.containsKey("datasets")
                && !values.containsKey("dataset_info")
                && !values.containsKey("tasks")) {
            values.putIfAbsent("train_file", "train.jsonl");
        }
        Settings settings = TrainingConfig.with(file.toString(), values, List.of());
        if (stages) {
            PipelineSettings.of(settings);
        } else if (ContinualSettings.isContinual(settings)) {
            ContinualSettings.of(settings);
        } else if (AutoSettings.isAuto(settings)) {
            AutoSettings.of(settings);
        } else {
            TrainingSettings.of(settings);
        }
    }
}
