package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.jna.NativeLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.Device;

/**
 * A CUDA driver without a GPU, see driver.cpp: it runs the real kernels, compiled by the host's C++ compiler, behind the
 * functions of the real driver. A test that needs it is skipped where there is no g++.
 */
public final class HostCuda {

    private static final Path DIRECTORY = Path.of("target", "host-cuda").toAbsolutePath();
    private static final Path DRIVER = DIRECTORY.resolve("libcuda.so.1");

    private static boolean built;

    private HostCuda() {}

    /** Where the driver and an empty CUDA runtime lie, for the binding that is linked to both. */
    static CudaLibraries libraries() {
        build();
        return new CudaLibraries(List.of(DIRECTORY));
    }

    /** One of its files. */
    static Path library(String name) {
        build();
        return DIRECTORY.resolve(name);
    }

    static CudaDriver driver() {
        return CudaDriver.open(libraries());
    }

    /**
     * The kernels behind a driver of this class.
     *
     * @param cache where what is compiled is kept
     * @return the kernels, on memory of the host
     */
    public static DeviceKernels kernels(Path cache) {
        KernelCompiler compiler = new KernelCompiler(new FixedNvrtc(), cache);
        return new CudaKernels(new KernelLauncher(new CudaContext(driver(), 0), compiler, Device.CPU), Device.CPU);
    }

    /** Contexts that somebody pushed and nobody popped. */
    static int contexts() {
        return NativeLibrary.getInstance(DRIVER.toString())
                .getFunction("hostContexts")
                .invokeInt(new Object[0]);
    }

    /** Allocations and moves since the last call, a line each. */
    static List<String> journal() {
        return NativeLibrary.getInstance(DRIVER.toString())
                .getFunction("hostJournal")
                .invokeString(new Object[0], false)
                .lines()
                .toList();
    }

    /** Gives what the driver of this class takes for a compiled program. */
    static final class FixedNvrtc implements Nvrtc {

        final List<List<String>> compilations = new ArrayList<>();
        List<Integer> known = List.of(75, 80, 90);
        String number = "12.9";

        @Override
        public String version() {
            return number;
        }

        @Override
        public List<Integer> architectures() {
            return known;
        }

        @Override
        public byte[] compile(String source, String name, List<String> options, Output output) {
            compilations.add(options);
            return ("host kernels " + output + "\0").getBytes(StandardCharsets.UTF_8);
        }
    }

    /** The names of all kernels in the program. */
    static List<String> kernelNames() {
        List<String> names = new ArrayList<>(List.of("adamw_8bit"));
        for (String type : List.of("float32", "float16", "bfloat16")) {
            for (String kernel : List.of(
                    "quantize_4bit",
                    "quantize_8bit",
                    "dequantize_4bit",
                    "dequantize_4bit_nested",
                    "dequantize_8bit",
                    "quantize_rows",
                    "dequantize_rows")) {
                names.add(kernel + "_" + type);
            }
        }
        return names;
    }

    private static synchronized void build() {
        if (built) {
            return;
        }
        assumeTrue(isInstalled("g++"), "no g++: the kernels cannot be compiled for the host");
        try {
            Files.createDirectories(DIRECTORY);
            Files.writeString(DIRECTORY.resolve("kernels.cu"), KernelSource.text());
            Files.writeString(
                    DIRECTORY.resolve("entries.inc"),
                    String.join(
                            "\n",
                            kernelNames().stream()
                                    .map(name -> "ENTRY(" + name + ")")
                                    .toList()));
            for (String file : List.of("shim.h", "driver.cpp")) {
                try (InputStream stream = HostCuda.class.getResourceAsStream(file)) {
                    Files.write(DIRECTORY.resolve(file), stream.readAllBytes());
                }
            }
            // Into a new file: a test of another process may be using the old one.
            compile("driver.cpp", DRIVER);
            emptyLibrary(DIRECTORY.resolve("libcudart.so.12"));
            built = true;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A library without content, which knows itself by the name of its file. */
    static void emptyLibrary(Path library) throws IOException {
        Files.writeString(DIRECTORY.resolve("empty.cpp"), "");
        compile("empty.cpp", library);
    }

    private static void compile(String source, Path library) throws IOException {
        // Tests run in several processes, which may make the same library at the same time.
        Path partial = library.resolveSibling(
                library.getFileName() + "." + ProcessHandle.current().pid() + ".partial");
        run(
                "g++",
                "-std=c++17",
                "-O2",
                "-fPIC",
                "-shared",
                "-ffp-contract=off",
                "-fno-strict-aliasing",
                "-Wl,-soname," + library.getFileName(),
                "-o",
                partial.toString(),
                source);
        Files.move(partial, library, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }

    static boolean isInstalled(String program) {
        try {
            Process process = new ProcessBuilder(program, "--version")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return process.waitFor() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Runs a program in the directory of the driver and fails with what it prints. */
    static void run(String... command) throws IOException {
        Process process = new ProcessBuilder(command)
                .directory(DIRECTORY.toFile())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            assertEquals(0, process.waitFor(), output);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }
}
