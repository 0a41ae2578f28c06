package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** For what the kernels are compiled, and when they are not compiled again. */
class KernelCompilerTest {

    private final HostCuda.FixedNvrtc nvrtc = new HostCuda.FixedNvrtc();

    @TempDir
    Path cache;

    private KernelCompiler compiler() {
        return new KernelCompiler(nvrtc, cache);
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(cache)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void aGpuThatNvrtcKnowsGetsMachineCode() throws IOException {
        compiler().compile("text", 90);
        assertTrue(nvrtc.compilations.get(0).contains("--gpu-architecture=sm_90"));
        assertTrue(files().get(0).matches("sm_90-nvrtc12\\.9-[0-9a-f]{32}\\.cubin"), files().toString());
    }

    @Test
    void aNewerGpuGetsAssemblerOfTheNewestArchitectureBeforeIt() throws IOException {
        compiler().compile("text", 120);
        assertTrue(nvrtc.compilations.get(0).contains("--gpu-architecture=compute_90"));
        assertTrue(files().get(0).endsWith(".ptx"));
    }

    @Test
    void anOlderGpuThanNvrtcKnowsIsRefusedInOneLine() {
        CudaException e = assertThrows(CudaException.class, () -> compiler().compile("text", 70));
        assertEquals(
                "NVRTC 12.9 compiles for architectures from 75 on, but the GPU has 70: an older NVRTC is needed",
                e.getMessage());
    }

    @Test
    void whatWasCompiledIsReadAgain() {
        byte[] first = compiler().compile("text", 90);
        assertArrayEquals(first, compiler().compile("text", 90));
        assertEquals(1, nvrtc.compilations.size());
    }

    @Test
    void anotherProgramArchitectureOrCompilerIsCompiledAnew() throws IOException {
        compiler().compile("text", 90);
        compiler().compile("other text", 90);
        compiler().compile("text", 80);
        nvrtc.number = "13.0";
        compiler().compile("text", 90);
        assertEquals(4, nvrtc.compilations.size());
        assertEquals(4, files().size());
    }

    @Test
    void aCacheThatCannotBeWrittenOnlyCostsTime() throws IOException {
        Path file = Files.writeString(cache.resolve("file"), "no directory");
        KernelCompiler compiler = new KernelCompiler(nvrtc, file.resolve("below"));
        assertTrue(compiler.compile("text", 90).length > 0);
        assertTrue(compiler.compile("text", 90).length > 0);
        assertEquals(2, nvrtc.compilations.size());
    }
}
