package org.finetune4j.examples;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples run, one after the other as a reader would run them, on the model that ships with the command line. */
class ExamplesTest {

    private static final String MODEL = "/org/finetune4j/cli/quickstart/model/";

    @TempDir
    Path directory;

    private Path model;
    private Path records;

    @BeforeEach
    void prepare() throws IOException {
        model = Files.createDirectories(directory.resolve("model"));
        for (String name :
                new String[] {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
            try (InputStream in = Objects.requireNonNull(ExamplesTest.class.getResourceAsStream(MODEL + name))) {
                Files.copy(in, model.resolve(name));
            }
        }
        String record = "{\"instruction\": \"Where does Tom live?\", \"input\": \"\", \"output\": \"In Oslo.\"}\n";
        records = Files.writeString(directory.resolve("records.jsonl"), record.repeat(20));
    }

    @Test
    void anAdapterIsTrainedUsedAndMerged() {
        Path adapter = directory.resolve("adapter");
        FineTuneWithLora.main(new String[] {model.toString(), records.toString(), adapter.toString()});
        assertTrue(Files.exists(adapter.resolve("adapter_model.safetensors")));

        Path merged = directory.resolve("merged");
        UseAnAdapter.main(new String[] {model.toString(), adapter.toString(), merged.toString(), "Tom lives in"});
        assertTrue(Files.exists(merged.resolve("model.safetensors")));
    }

    @Test
    void aWatchedTrainingLeavesAModelAndItsReports() {
        Path output = directory.resolve("out");
        WatchATraining.main(new String[] {model.toString(), records.toString(), output.toString()});
        assertTrue(Files.exists(output.resolve("model/model.safetensors")));
        assertTrue(Files.exists(output.resolve("report.html")));
    }
}
