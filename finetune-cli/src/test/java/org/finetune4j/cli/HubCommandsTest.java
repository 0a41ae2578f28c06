package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.ChildJvm;
import org.finetune4j.cli.quickstart.EmbeddedModelFiles;
import org.finetune4j.model.hub.FakeHub;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands take names on the hub; they run as processes of their own, whose environment names the hub. */
@Tag("slow")
class HubCommandsTest {

    @TempDir
    Path directory;

    private final FakeHub hub = new FakeHub("org/village");

    @AfterEach
    void stop() {
        hub.close();
    }

    private record Outcome(int exitCode, List<String> out, String err) {}

    private Outcome run(String... arguments) throws IOException, InterruptedException {
        List<String> command = ChildJvm.command(List.of(), Main.class, arguments);
        Path out = Files.createTempFile(directory, "out", ".txt");
        Path err = Files.createTempFile(directory, "err", ".txt");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("HF_"));
        builder.environment().put("HF_ENDPOINT", hub.endpoint().toString());
        builder.environment().put("HF_HOME", directory.resolve("home").toString());
        builder.environment().put("HF_TOKEN", "hf_secret");
        Process process = builder.start();
        assertTrue(process.waitFor(2, TimeUnit.MINUTES));
        return new Outcome(process.exitValue(), Files.readAllLines(out), Files.readString(err));
    }

    @Test
    void aModelOfTheHubGenerates() throws Exception {
        hub.takeAll(EmbeddedModelFiles.unpack(directory.resolve("model")));
        Outcome generated = run("generate", "--model", "org/village", "--prompt", "Tom", "--max-new-tokens", "3");
        assertEquals(0, generated.exitCode(), generated.err());
        assertTrue(generated.err().contains("model.safetensors  "), generated.err());
        Outcome downloaded =
                run("download", "org/village", "--to", directory.resolve("copy").toString());
        assertEquals(0, downloaded.exitCode(), downloaded.err());
        assertEquals(
                -1,
                Files.mismatch(
                        directory.resolve("copy/model.safetensors"), directory.resolve("model/model.safetensors")));
        assertEquals(
                1,
                hub.requests.stream()
                        .filter(request -> request.startsWith("GET /get/"))
                        .count());
    }

    @Test
    void aFolderIsPushedAndAMissingRepositoryIsOneLine() throws Exception {
        Path folder = EmbeddedModelFiles.unpack(directory.resolve("model"));
        Outcome pushed = run("push", folder.toString(), "org/village", "--message", "A village");
        assertEquals(0, pushed.exitCode(), pushed.err());
        assertTrue(
                pushed.out().get(0).endsWith("/commit/" + FakeHub.COMMIT),
                pushed.out().toString());
        assertTrue(hub.committed("README.md").contains("library_name: transformers"));
        Outcome missing = run("download", "org/vilage");
        assertEquals(2, missing.exitCode());
        assertTrue(missing.err().startsWith("error: no repository org/vilage"), missing.err());
        assertEquals(1, missing.err().lines().count(), missing.err());
    }
}
