package org.finetune4j.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** A file to upload: one on disk, or a text made for the purpose. */
final class UploadFile {

    private static final String README = "README.md";

    private final String path;
    private final @Nullable Path source;
    private final byte[] text;
    private boolean large;
    private boolean ignored;
    private @Nullable String sha256;

    private UploadFile(String path, @Nullable Path source, byte[] text) {
        this.path = path;
        this.source = source;
        this.text = text;
    }

    /**
     * What of a folder is uploaded, with a model card if there is none.
     *
     * @throws UserErrorException when the folder is not one, or is empty
     */
    static List<UploadFile> of(Path folder, HubRepository repository) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new UserErrorException(folder + " is not a directory: name the folder to upload");
        }
        List<UploadFile> files = new ArrayList<>();
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path file : walk.filter(Files::isRegularFile).sorted().toList()) {
                String path = folder.relativize(file).toString().replace('\\', '/');
                if (belongs(path)) {
                    files.add(new UploadFile(path, file, new byte[0]));
                }
            }
        }
        if (files.isEmpty()) {
            throw new UserErrorException(folder + " has nothing to upload");
        }
        if (files.stream().noneMatch(file -> file.path.equals(README))) {
            byte[] card = ModelCard.of(folder, repository.id()).getBytes(StandardCharsets.UTF_8);
            files.add(new UploadFile(README, null, card));
        }
        return files;
    }

    private static boolean belongs(String path) {
        return Arrays.stream(path.split("/"))
                .noneMatch(part -> part.startsWith(".") || part.matches("checkpoint-\\d+"));
    }

    /** In the repository, with slashes. */
    String path() {
        return path;
    }

    boolean isLarge() {
        return large;
    }

    boolean isIgnored() {
        return ignored;
    }

    /** What the hub decided. */
    void decide(boolean isLarge, boolean isIgnored) {
        large = isLarge;
        ignored = isIgnored;
    }

    long size() throws IOException {
        return source == null ? text.length : Files.size(source);
    }

    /** The first bytes, from which a hub guesses what a file is. */
    byte[] start(int count) throws IOException {
        if (source == null) {
            return Arrays.copyOf(text, Math.min(count, text.length));
        }
        try (InputStream in = Files.newInputStream(source)) {
            return in.readNBytes(count);
        }
    }

    /** All bytes in base64. */
    String content() throws IOException {
        return Base64.getEncoder().encodeToString(source == null ? text : Files.readAllBytes(source));
    }

    /** The file on disk, which every large one has. */
    Path source() {
        if (source == null) {
            throw new UserErrorException("the hub wants the text " + path + " as a large file, which it is not");
        }
        return source;
    }

    String sha256() throws IOException {
        if (sha256 == null) {
            sha256 = FileHash.sha256(source());
        }
        return sha256;
    }
}
