package org.finetune4j.quant.cuda;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.javacpp.Loader;
import org.finetune4j.Reasons;
import org.finetune4j.tensor.Torch;

/**
 * Loads the bindings of {@code org.bytedeco:cuda} with what they are linked to: the driver, CUDA 12's runtime, and for the compiler
 * NVRTC 12. Those are no part of the dependency; libtorch's CUDA build brings both, under names with a hash.
 */
final class LinkedLibraries {

    private static final int CUDA = 12;
    private static final int DRIVER = 1;

    private LinkedLibraries() {}

    /** @throws CudaException when one of them is missing or does not load */
    static void loadDriver(CudaLibraries libraries) {
        Torch.ensureLoaded(); // sets JavaCPP up: loading any binding before that brings in a second libtorch
        Path runtime = require(libraries, "cudart", "the CUDA runtime", "nvidia-cuda-runtime-cu12");
        libraries.find("cuda", DRIVER).ifPresent(driver -> load(driver, "the CUDA driver"));
        load(runtime, "the CUDA runtime");
        bind(cudart.class, "cudart", runtime);
    }

    /** @throws CudaException when one of them is missing or does not load */
    static void loadCompiler(CudaLibraries libraries) {
        Path compiler = require(libraries, "nvrtc", "NVRTC", "nvidia-cuda-nvrtc-cu12");
        loadDriver(libraries); // the binding of NVRTC asks for that of the driver, and once that has failed it stays so
        CudaLibraries.builtinsBeside(compiler).ifPresent(builtins -> load(builtins, "NVRTC"));
        load(compiler, "NVRTC");
        bind(nvrtc.class, "nvrtc", compiler);
    }

    private static Path require(CudaLibraries libraries, String name, String what, String wheel) {
        return libraries
                .find(name, CUDA)
                .orElseThrow(() -> new CudaException(what + " (" + CudaLibraries.fileName(name, CUDA)
                        + ") is not found: install the toolkit of CUDA " + CUDA + " or the Python package " + wheel
                        + ", or name its directory by -D" + CudaLibraries.PROPERTY));
    }

    /** What is loaded already satisfies a binding, wherever it lies. */
    private static void load(Path file, String what) {
        try {
            System.load(file.toAbsolutePath().toString());
        } catch (LinkageError e) {
            throw new CudaException(what + " does not load from " + file + ": " + Reasons.of(e));
        }
    }

    private static void bind(Class<?> binding, String name, Path linked) {
        try {
            String wanted = CudaLibraries.fileName(name, CUDA);
            if (!CudaLibraries.isWindows() && !linked.endsWith(wanted)) {
                linkBeside(binding, name, linked.toAbsolutePath(), wanted);
            }
            Loader.load(binding);
        } catch (IOException | LinkageError e) {
            throw new CudaException(
                    "the binding of " + name + " does not load (is NVIDIA's driver installed?): " + Reasons.of(e));
        }
    }

    /** A copy of another name is found by its link in the directory of the binding's natives, where the system looks first. */
    private static void linkBeside(Class<?> binding, String name, Path library, String wanted) throws IOException {
        File natives = Loader.cacheResource(
                binding, "/org/bytedeco/cuda/" + Loader.getPlatform() + "/" + System.mapLibraryName("jni" + name));
        if (natives == null) {
            throw new UnsatisfiedLinkError("org.bytedeco:cuda has no natives for " + Loader.getPlatform());
        }
        Path link = natives.toPath().resolveSibling(wanted);
        if (Files.isSymbolicLink(link) && Files.readSymbolicLink(link).equals(library)) {
            return;
        }
        Path made = Files.createTempDirectory(link.getParent(), "link").resolve(wanted);
        Files.createSymbolicLink(made, library);
        Files.move(made, link, StandardCopyOption.ATOMIC_MOVE);
        Files.delete(made.getParent());
    }
}
