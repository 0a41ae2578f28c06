package org.finetune4j.quant.cuda;

import com.google.common.hash.Hashing;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.FinetuneException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiles the kernels for a GPU, once: the result is kept in a file whose name says the program, the options, the
 * architecture and the version of NVRTC.
 */
final class KernelCompiler {

    /** The system property with the directory of compiled kernels. */
    static final String CACHE_PROPERTY = "finetune4j.cuda.cache";

    private static final Logger LOG = LoggerFactory.getLogger(KernelCompiler.class);

    private final Nvrtc nvrtc;
    private final Path cache;

    KernelCompiler(Nvrtc nvrtc, Path cache) {
        this.nvrtc = nvrtc;
        this.cache = cache;
    }

    /** The system property's directory, else {@code finetune4j/cuda} below the user's cache directory. */
    static Path defaultCache() {
        String property = System.getProperty(CACHE_PROPERTY);
        if (property != null) {
            return Path.of(property);
        }
        String caches = System.getenv("XDG_CACHE_HOME");
        Path parent = caches == null || caches.isBlank()
                ? Path.of(System.getProperty("user.home"), ".cache")
                : Path.of(caches);
        return parent.resolve("finetune4j").resolve("cuda");
    }

    /**
     * The compiled program for a GPU: machine code where NVRTC knows the architecture, which also runs on a driver that is
     * older than NVRTC; else PTX of the newest architecture before it.
     *
     * @param capability such as 90
     * @throws CudaException when NVRTC knows no architecture that the GPU can run
     */
    byte[] compile(String source, int capability) {
        List<Integer> known = nvrtc.architectures();
        int architecture = known.stream()
                .filter(each -> each <= capability)
                .reduce((first, second) -> second)
                .orElseThrow(() -> new CudaException("NVRTC " + nvrtc.version() + " compiles for architectures from "
                        + known.get(0) + " on, but the GPU has " + capability + ": an older NVRTC is needed"));
        Nvrtc.Output output = architecture == capability ? Nvrtc.Output.CUBIN : Nvrtc.Output.PTX;
        String target = (output == Nvrtc.Output.CUBIN ? "sm_" : "compute_") + architecture;
        List<String> options = options(target);
        Path file = cache.resolve(target + "-nvrtc" + nvrtc.version() + "-"
                + hash(source + options).substring(0, 32) + "." + (output == Nvrtc.Output.CUBIN ? "cubin" : "ptx"));
        byte[] image = read(file);
        if (image.length == 0) {
            image = nvrtc.compile(source, "finetune4j.cu", options, output);
            keep(file, image);
        }
        return image;
    }

    /** No fused multiply-add: the Java kernels have none, and the bits must be the same. */
    static List<String> options(String target) {
        return List.of("--gpu-architecture=" + target, "--std=c++17", "--fmad=false");
    }

    private static byte[] read(Path file) {
        try {
            return Files.isRegularFile(file) ? Files.readAllBytes(file) : new byte[0];
        } catch (IOException e) {
            LOG.debug("compiled kernels in {} cannot be read: they are compiled again", file, e);
            return new byte[0];
        }
    }

    /** A cache that cannot be written costs a second at each start, and is no reason to fail. */
    private static void keep(Path file, byte[] image) {
        try {
            AtomicFiles.write(file, path -> Files.write(path, image));
        } catch (FinetuneException e) {
            LOG.warn("compiled kernels are not kept: {}", e.getMessage());
        }
    }

    private static String hash(String text) {
        return Hashing.sha256().hashString(text, StandardCharsets.UTF_8).toString();
    }
}
