package org.finetune4j.serve;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.jspecify.annotations.Nullable;

/** The one folder that adapters may come from: nothing outside is read, whatever a path or a link says. */
final class AdapterFolder {

    /** What an adapter's directory can have that is read here; pickled weights are not. */
    private static final List<String> FILES = List.of(
            AdapterDirectory.CONFIG,
            AdapterDirectory.WEIGHTS,
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "chat_template.jinja",
            "chat_template.json",
            "additional_chat_templates/tool_use.jinja");

    /** Only its presence is of interest: it is refused by name. */
    private static final String PICKLED = "adapter_model.bin";

    private static final int DEEPEST = 3;

    /** What tells one version of an adapter from another without reading it. */
    record Fingerprint(List<StoredFile> files) {

        long weightBytes() {
            return files.stream()
                    .filter(file -> file.name.equals(AdapterDirectory.WEIGHTS))
                    .mapToLong(StoredFile::bytes)
                    .sum();
        }
    }

    /** A file as the system knows it. */
    private record StoredFile(
            String name,
            long bytes,
            FileTime modified,
            @Nullable Object key) {}

    private final Path root;

    AdapterFolder(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new UserErrorException("--adapters: " + folder + " is no directory");
        }
        try {
            this.root = folder.toRealPath();
        } catch (IOException e) {
            throw new UserErrorException("--adapters: cannot read " + folder + ": " + Reasons.of(e), e);
        }
    }

    /** The directory of an adapter that a request names. */
    Path resolve(String path) {
        if (path.isBlank() || path.indexOf('\\') >= 0) {
            throw outside(path);
        }
        Path given;
        try {
            given = InputFiles.path("path", path);
        } catch (UserErrorException e) {
            throw ApiException.invalid("path", String.valueOf(e.getMessage()));
        }
        if (given.isAbsolute()) {
            throw outside(path);
        }
        for (Path part : given) {
            if (part.toString().equals("..")) {
                throw outside(path);
            }
        }
        Path directory = root.resolve(given).normalize();
        try {
            if (!directory.toRealPath().startsWith(root)) {
                throw outside(path);
            }
        } catch (IOException e) {
            throw ApiException.notFound(
                    "path",
                    "adapter_not_found",
                    "there is no '" + Reasons.excerpt(path) + "' in the folder of adapters");
        }
        if (!Files.isRegularFile(directory.resolve(AdapterDirectory.CONFIG))) {
            throw ApiException.notFound(
                    "path",
                    "adapter_not_found",
                    "'" + Reasons.excerpt(path) + "' is no adapter: there is no " + AdapterDirectory.CONFIG + " in it");
        }
        return directory;
    }

    /** How an adapter's directory is called in answers. */
    String nameOf(Path directory) {
        return root.relativize(directory).toString();
    }

    /** The directories of all adapters in the folder, some levels deep. */
    List<Path> adapters() {
        return walk(directories -> directories.sorted().toList());
    }

    /** The directory of one of the adapters in the folder. */
    Optional<Path> first() {
        return walk(Stream::findFirst);
    }

    private <T> T walk(Function<Stream<Path>, T> use) {
        try (Stream<Path> files = Files.walk(root, DEEPEST)) {
            return use.apply(files.filter(
                    file -> !file.equals(root) && Files.isRegularFile(file.resolve(AdapterDirectory.CONFIG))));
        } catch (IOException | UncheckedIOException e) {
            throw new UserErrorException("--adapters: cannot read " + root + ": " + Reasons.of(e), e);
        }
    }

    /** The version that lies there now, or null where there is none. */
    @Nullable
    Fingerprint fingerprint(Path directory) {
        List<StoredFile> files = new ArrayList<>();
        for (String name : FILES) {
            try {
                BasicFileAttributes file = Files.readAttributes(directory.resolve(name), BasicFileAttributes.class);
                files.add(new StoredFile(name, file.size(), file.lastModifiedTime(), file.fileKey()));
            } catch (IOException e) {
                if (name.equals(AdapterDirectory.CONFIG)) {
                    return null;
                }
            }
        }
        return new Fingerprint(files);
    }

    /**
     * Copies one version of an adapter: whoever replaces its files meanwhile changes nothing that is mapped, and what is read
     * is never half of one and half of another.
     *
     * @return the version that was copied
     */
    Fingerprint copy(Path directory, Path target) throws IOException, InterruptedException {
        for (int attempt = 0; attempt < 20; attempt++) {
            Fingerprint before = fingerprint(directory);
            if (before != null) {
                try {
                    if (attempt > 0) {
                        clear(target);
                    }
                    copyFiles(before, directory, target);
                } catch (IOException e) {
                    if (Objects.equals(before, fingerprint(directory))) {
                        throw e;
                    }
                }
                if (before.equals(fingerprint(directory))) {
                    return before;
                }
            }
            Thread.sleep(50);
        }
        throw new UserErrorException(nameOf(directory) + ": the adapter's files are missing, or change all the time");
    }

    private static void clear(Path target) throws IOException {
        for (String name : FILES) {
            Files.deleteIfExists(target.resolve(name));
        }
        Files.deleteIfExists(target.resolve(PICKLED));
    }

    private void copyFiles(Fingerprint version, Path directory, Path target) throws IOException {
        for (StoredFile stored : version.files()) {
            String name = stored.name();
            Path copy = target.resolve(name);
            Path real = directory.resolve(name).toRealPath();
            if (!real.startsWith(root)) {
                throw new UserErrorException(name + " is a link to a place outside of the folder of adapters");
            }
            if (!Files.isRegularFile(real, LinkOption.NOFOLLOW_LINKS)) {
                throw new UserErrorException(name + " is no ordinary file");
            }
            if (name.indexOf('/') >= 0) {
                Files.createDirectories(copy.getParent());
            }
            try (InputStream content = Files.newInputStream(real, LinkOption.NOFOLLOW_LINKS)) {
                Files.copy(content, copy);
            }
        }
        if (Files.exists(directory.resolve(PICKLED))) {
            Files.createFile(target.resolve(PICKLED));
        }
    }

    private static ApiException outside(String path) {
        return ApiException.invalid(
                "path",
                "'" + Reasons.excerpt(path) + "' is no path within the folder of adapters: expected a relative one");
    }
}
