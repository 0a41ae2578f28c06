package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The kernels compile with NVIDIA's compiler, which needs no GPU: with NVRTC 12 where it is found (see docs/cuda.md how to get
 * it), and with nvcc where that is found.
 */
@Tag("slow")
class NvrtcTest {

    /** Skips the test where it is not found. */
    private static Nvrtc open() {
        List<Path> directories = new ArrayList<>(CudaLibraries.standard().directories());
        directories.addAll(HostCuda.libraries().directories()); // a driver, which the binding wants to see
        CudaLibraries libraries = new CudaLibraries(directories);
        assumeTrue(libraries.find("nvrtc", 12).isPresent(), "NVRTC 12 is not found in " + directories);
        return Nvrtc.open(libraries);
    }

    @ParameterizedTest
    @ValueSource(ints = {75, 80, 90, 120})
    void everyKernelCompilesToMachineCode(int architecture) {
        Nvrtc nvrtc = open();
        assumeTrue(nvrtc.architectures().contains(architecture), nvrtc.version() + " does not know " + architecture);
        byte[] code = compile(nvrtc, "sm_" + architecture, Nvrtc.Output.CUBIN);
        assertEquals("\u007fELF", new String(code, 0, 4, StandardCharsets.ISO_8859_1));
        String text = new String(code, StandardCharsets.ISO_8859_1);
        HostCuda.kernelNames().forEach(name -> assertTrue(text.contains(name), name));
    }

    @Test
    void assemblerHasEveryKernelAndNoFusedMultiplyAdd() {
        byte[] code = compile(open(), "compute_80", Nvrtc.Output.PTX);
        assertEquals(0, code[code.length - 1], "the driver wants a zero at the end");
        assertKernels(new String(code, StandardCharsets.UTF_8));
    }

    @Test
    void anErrorNamesFileAndLine() {
        Nvrtc nvrtc = open();
        CudaException e = assertThrows(
                CudaException.class,
                () -> nvrtc.compile(
                        "#line 1 \"wrong.cu\"\n\nfloat f() { return nothing; }\n",
                        "finetune4j.cu",
                        KernelCompiler.options("compute_80"),
                        Nvrtc.Output.PTX));
        assertTrue(e.getMessage().contains("wrong.cu(2)"), e.getMessage());
        assertTrue(e.getMessage().contains("\"nothing\" is undefined"), e.getMessage());
    }

    @Test
    void versionAndArchitecturesAreKnown() {
        Nvrtc nvrtc = open();
        assertTrue(nvrtc.version().matches("1[1-9]\\.\\d+"), nvrtc.version());
        assertTrue(nvrtc.architectures().containsAll(List.of(75, 80, 90)));
    }

    private static byte[] compile(Nvrtc nvrtc, String target, Nvrtc.Output output) {
        return nvrtc.compile(KernelSource.text(), "finetune4j.cu", KernelCompiler.options(target), output);
    }

    @Test
    void everyKernelCompilesWithNvcc(@TempDir Path directory) throws Exception {
        assumeTrue(HostCuda.isInstalled("nvcc"), "no nvcc");
        Path source = Files.writeString(directory.resolve("kernels.cu"), KernelSource.text());
        for (int architecture : new int[] {75, 90}) {
            Path output = directory.resolve("kernels" + architecture + ".ptx");
            run(
                    "nvcc",
                    "-std=c++17",
                    "-fmad=false",
                    "-ptx",
                    "-arch=compute_" + architecture,
                    "-o",
                    output.toString(),
                    source.toString());
            assertKernels(Files.readString(output));
        }
    }

    private static void run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), Arrays.toString(command) + ": " + said);
    }

    private static void assertKernels(String assembler) {
        Set<String> entries = new TreeSet<>();
        Matcher matcher = Pattern.compile("\\.entry (\\w+)").matcher(assembler);
        while (matcher.find()) {
            entries.add(matcher.group(1));
        }
        assertEquals(new TreeSet<>(HostCuda.kernelNames()), entries);
        assertFalse(assembler.contains("fma.rn.f32"), "a fused multiply-add would round once where Java rounds twice");
    }
}
