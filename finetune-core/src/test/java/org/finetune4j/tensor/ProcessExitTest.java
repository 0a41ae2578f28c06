package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.ChildJvm;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** An ending process does not tear libtorch down under threads that are inside of it; hooks and exit codes are as ever. */
@EnabledOnOs(OS.LINUX)
@Tag("slow")
class ProcessExitTest {

    private static final int EXIT_CODE = 7;

    @TempDir
    Path directory;

    @Test
    void destructorsOfLibtorchAreSkippedAndTheExitCodeAndHooksAreNot() throws IOException, InterruptedException {
        List<String> lines = end("-Dfinetune4j.exit=true");
        assertTrue(lines.contains("the hook has run"), "hooks run");
        assertFalse(lines.stream().anyMatch(ProcessExitTest::isDestructor), "no destructor runs");
        assertTrue(
                end("-Dfinetune4j.exit=false").stream().anyMatch(ProcessExitTest::isDestructor),
                "the loader reports destructors that run");
    }

    /** What the dynamic loader says when it runs a library's destructors. */
    private static boolean isDestructor(String line) {
        return line.contains("calling fini") && line.contains("libtorch_cpu");
    }

    private List<String> end(String property) throws IOException, InterruptedException {
        Path log = Files.createTempFile(directory, "child", ".log");
        ProcessBuilder builder = new ProcessBuilder(ChildJvm.command(List.of("-Xmx128m", property), Busy.class));
        builder.environment().put("LD_DEBUG", "files");
        Process process =
                builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(EXIT_CODE, process.exitValue());
        return Files.readAllLines(log);
    }

    /** Ends while another thread is inside libtorch. */
    static final class Busy {

        private Busy() {}

        public static void main(String[] args) {
            Torch.ensureLoaded();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("the hook has run")));
            Thread worker = new Thread(Busy::multiply);
            worker.setDaemon(true);
            worker.start();
            System.exit(EXIT_CODE);
        }

        private static void multiply() {
            while (true) {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor x = Tensors.randn(DType.FLOAT32, Device.CPU, 256, 256);
                    x.mm(x);
                }
            }
        }
    }
}
