package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.offload.StateMemory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a user is told where the GPU's kernels cannot run, and that nobody else pays for them. */
@Tag("slow")
class CudaAvailabilityTest {

    private static final Device GPU = new Device(Device.Type.CUDA, 0);

    /** In a process of its own: this one may have loaded the driver that the host plays. */
    @Test
    void whatCannotBeHadOnAGpuIsOneLineEach() throws Exception {
        assumeTrue(Device.best().equals(Device.CPU), "there is a GPU here");
        List<String> said = java(WithoutGpu.class);
        List<String> errors = said.stream()
                .filter(line -> line.startsWith("error: "))
                .map(line -> line.substring("error: ".length()))
                .toList();
        assertEquals(3, errors.size(), String.join("\n", said));
        assertTrue(
                errors.get(0)
                        .matches(
                                "tensors are on cuda:0, but its kernels cannot run: .*; -Dfinetune4j.cuda.kernels=false"
                                        + " leaves the work to libtorch's own, slower operations"),
                errors.get(0));
        assertEquals(errors.get(0), errors.get(1), "asked again");
        assertTrue(
                errors.get(2)
                        .matches(
                                "tensors are on cuda:0, but managed memory cannot be had: .*; choose adamw_8bit or adamw,"
                                        + " whose states are not paged"),
                errors.get(2));
    }

    /** Runs in that process. */
    static final class WithoutGpu {

        private WithoutGpu() {}

        public static void main(String[] arguments) {
            report(() -> DeviceKernels.of(GPU));
            report(() -> DeviceKernels.of(GPU));
            report(() -> new ManagedMemoryProvider().memory(GPU, 1000));
        }

        private static void report(Runnable action) {
            try {
                action.run();
            } catch (UserErrorException e) {
                System.out.println("error: " + e.getMessage());
            }
        }
    }

    @Test
    void missingLibrariesAreNamed(@TempDir Path empty) {
        CudaLibraries nowhere = new CudaLibraries(List.of(empty));
        CudaException e = assertThrows(CudaException.class, () -> Nvrtc.open(nowhere));
        assertEquals(
                "NVRTC (libnvrtc.so.12) is not found: install the toolkit of CUDA 12 or the Python package"
                        + " nvidia-cuda-nvrtc-cu12, or name its directory by -Dfinetune4j.cuda.libraries",
                e.getMessage());
    }

    @Test
    void aBrokenLibraryIsOneLine(@TempDir Path directory) throws IOException {
        CudaLibraries broken = new CudaLibraries(List.of(directory));
        for (String name : List.of("libnvrtc.so.12", "libcuda.so.1", "libcudart.so.12")) {
            Files.writeString(directory.resolve(name), "not a library");
        }
        CudaException e = assertThrows(CudaException.class, () -> Nvrtc.open(broken));
        assertTrue(e.getMessage().matches("the CUDA driver does not load from .*libcuda.so.1: .*"), e.getMessage());
    }

    @Test
    void librariesAreFoundUnderTheirNames(@TempDir Path first, @TempDir Path second) throws IOException {
        Path hashed = Files.createFile(second.resolve("libnvrtc-0123abcd.so.12"));
        Files.createFile(second.resolve("libnvrtc-builtins.so.12.8"));
        CudaLibraries libraries = new CudaLibraries(List.of(first, second));
        assertEquals(Optional.of(hashed), libraries.find("nvrtc", 12), "a copy of another name");
        Files.createFile(first.resolve("libnvrtc.alt.so.12"));
        assertEquals(Optional.of(hashed), libraries.find("nvrtc", 12));
        Path plain = Files.createFile(second.resolve("libnvrtc.so.12"));
        assertEquals(Optional.of(plain), libraries.find("nvrtc", 12));
        assertEquals(Optional.empty(), libraries.find("nvrtc", 13), "no binding is linked to it");
    }

    /** As where libtorch brings the only CUDA runtime. In processes of their own: a name stays known once it was loaded. */
    @Test
    void aRuntimeOfAnotherNameIsLinkedTo(@TempDir Path directory, @TempDir Path bindings) throws Exception {
        assumeTrue(Device.best().equals(Device.CPU), "there is a GPU here");
        Files.copy(HostCuda.library("libcuda.so.1"), directory.resolve("libcuda.so.1"));
        HostCuda.emptyLibrary(directory.resolve("libcudart-0123abcd.so.12"));
        for (int process = 0; process < 2; process++) {
            List<String> said = java(
                    WithRenamedRuntime.class,
                    "-Dorg.bytedeco.javacpp.cachedir=" + bindings,
                    "-D" + CudaLibraries.PROPERTY + "=" + directory);
            assertEquals("1 device", said.get(said.size() - 1));
        }
    }

    /** Runs in that process. */
    static final class WithRenamedRuntime {

        private WithRenamedRuntime() {}

        public static void main(String[] arguments) {
            System.out.println(CudaDriver.open().deviceCount() + " device");
        }
    }

    @Test
    void kernelsThatAreSwitchedOffAreNotLookedFor() {
        System.setProperty(CudaKernelsProvider.PROPERTY, "false");
        try {
            assertEquals(Optional.empty(), new CudaKernelsProvider().kernels(GPU));
        } finally {
            System.clearProperty(CudaKernelsProvider.PROPERTY);
        }
    }

    /** Everything quantised that a CPU does, in a process of its own that tells every class it loads. */
    @Test
    void aRunOnACpuLoadsNothingOfCuda() throws Exception {
        List<String> lines = java(OnCpu.class, "-Xlog:class+load");
        assertTrue(lines.stream().anyMatch(line -> line.contains("org.finetune4j.quant.kernel.FourBitKernels")));
        assertEquals(
                List.of(),
                lines.stream()
                        .filter(line ->
                                line.contains("org.bytedeco.cuda") || line.contains("org.finetune4j.quant.cuda"))
                        .filter(line -> !line.contains(OnCpu.class.getName()))
                        .toList());
    }

    /** What a process says that must end well. */
    private static List<String> java(Class<?> main, String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(options));
        command.addAll(
                List.of("-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), main.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertEquals(0, process.waitFor(), String.join("\n", lines));
        return lines;
    }

    /** Runs in that process. */
    static final class OnCpu {

        private OnCpu() {}

        public static void main(String[] arguments) {
            try (TensorScope scope = TensorScope.open();
                    FourBitWeight weight = FourBitWeight.quantize(
                            Tensors.randn(DType.FLOAT32, Device.CPU, 64, 64), QuantizationType.NF4, 64, true);
                    StateMemory memory = StateMemory.resident()) {
                Tensor state = memory.zeros(DType.UINT8, 10);
                memory.touch(List.of(state));
                if (DeviceKernels.of(Device.CPU).isPresent()
                        || weight.decompress(DType.BFLOAT16).numel() != 4096) {
                    throw new IllegalStateException();
                }
            }
        }
    }
}
