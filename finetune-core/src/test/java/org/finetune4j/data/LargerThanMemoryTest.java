package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.ChildJvm;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("slow")
class LargerThanMemoryTest {

    private static final int RECORDS = 6000;
    private static final int CHARACTERS = 10_000;

    @TempDir
    private Path directory;

    @Test
    void aFileLargerThanTheHeapIsShuffledIntoBatches() throws IOException, InterruptedException {
        Path file = directory.resolve("large.jsonl");
        String answer = "abcdefghij".repeat(CHARACTERS / 10);
        try (BufferedWriter out = Files.newBufferedWriter(file)) {
            for (int i = 0; i < RECORDS; i++) {
                out.write("{\"prompt\": \"Q\", \"completion\": \"" + answer + "\"}\n");
            }
        }
        Path log = directory.resolve("log.txt");
        Process child = new ProcessBuilder(ChildJvm.command(List.of("-Xmx24m"), ChildFeed.class, file.toString()))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        assertTrue(child.waitFor(120, TimeUnit.SECONDS));
        String said = Files.readString(log, StandardCharsets.UTF_8);
        assertEquals(0, child.exitValue(), said);
        assertEquals(RECORDS + " " + (long) RECORDS * (CHARACTERS + 1), said.strip());
    }
}
