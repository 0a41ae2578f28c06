package org.finetune4j.quant.cuda;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.tensor.DeviceMemory;
import org.jspecify.annotations.Nullable;

/**
 * Where libraries of CUDA may lie: the directories of the system property {@code finetune4j.cuda.libraries}, then those of
 * {@code CUDA_PATH}, {@code CUDA_HOME} and the system's library path, then the usual places, then libtorch's own directory.
 *
 * @param directories in the order of preference
 */
record CudaLibraries(List<Path> directories) {

    /** The system property with directories to look in first, separated as in a class path. */
    static final String PROPERTY = "finetune4j.cuda.libraries";

    private static final Pattern BUILTINS =
            Pattern.compile("libnvrtc-builtins\\.so(\\.\\d+)*|nvrtc-builtins64_\\d+\\.dll");

    CudaLibraries {
        directories = List.copyOf(directories);
    }

    /** Where to look on this machine. */
    static CudaLibraries standard() {
        List<Path> found = new ArrayList<>();
        addPath(found, System.getProperty(PROPERTY));
        for (String variable : List.of("CUDA_PATH", "CUDA_HOME")) {
            String home = System.getenv(variable);
            if (home != null) {
                found.add(Path.of(home, "lib64"));
                found.add(Path.of(home, "bin"));
                found.add(Path.of(home, "lib"));
            }
        }
        addPath(found, System.getenv(isWindows() ? "PATH" : "LD_LIBRARY_PATH"));
        found.add(Path.of("/usr/local/cuda/lib64"));
        children(Path.of("/usr/local"))
                .filter(path -> path.getFileName().toString().startsWith("cuda-"))
                .sorted(Comparator.reverseOrder())
                .forEach(path -> found.add(path.resolve("lib64")));
        found.add(Path.of("/usr/lib/x86_64-linux-gnu"));
        found.add(Path.of("/usr/lib64"));
        found.add(Path.of("/usr/lib/wsl/lib"));
        found.add(DeviceMemory.libtorchDirectory());
        return new CudaLibraries(
                found.stream().distinct().filter(Files::isDirectory).toList());
    }

    private static void addPath(List<Path> directories, @Nullable String path) {
        if (path != null) {
            Arrays.stream(path.split(File.pathSeparator))
                    .filter(part -> !part.isBlank())
                    .forEach(part -> directories.add(Path.of(part)));
        }
    }

    static boolean isWindows() {
        return System.getProperty("os.name").startsWith("Windows");
    }

    /**
     * A library of a major version: under its own name, else a copy of another name. libtorch's copies carry a hash in theirs,
     * such as {@code libnvrtc-0123abcd.so.12}.
     *
     * @param name without prefix and version, such as {@code nvrtc}
     */
    Optional<Path> find(String name, int major) {
        return find(Pattern.compile(
                        isWindows()
                                ? Pattern.quote(name) + "64_" + major + "(0_0)?\\.dll"
                                : Pattern.quote(fileName(name, major))))
                .or(() -> find(Pattern.compile("lib" + Pattern.quote(name) + "-[0-9a-f]+\\.so\\." + major)));
    }

    /** The name that a binding is linked to. */
    static String fileName(String name, int major) {
        return isWindows() ? name + "64_" + major + ".dll" : "lib" + name + ".so." + major;
    }

    /** What NVRTC opens by its bare name when it compiles: it is found when it was loaded before, wherever it lies. */
    static Optional<Path> builtinsBeside(Path nvrtc) {
        Path directory = nvrtc.toAbsolutePath().getParent();
        return directory == null ? Optional.empty() : new CudaLibraries(List.of(directory)).find(BUILTINS);
    }

    private Optional<Path> find(Pattern fileName) {
        return directories.stream()
                .flatMap(directory -> children(directory)
                        .filter(file ->
                                fileName.matcher(file.getFileName().toString()).matches())
                        .sorted(Comparator.reverseOrder()))
                .findFirst();
    }

    private static Stream<Path> children(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.toList().stream();
        } catch (IOException e) {
            return Stream.empty();
        }
    }
}
