package org.finetune4j.model.hub;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;

/**
 * The layout of downloads on disk, which is that of Python's huggingface_hub: {@code models--org--name} with {@code blobs}
 * named by content, {@code refs} that say which commit a branch was at, and {@code snapshots} of links, one directory a
 * commit.
 */
final class HubCache {

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final Pattern DIRECTORY = Pattern.compile("models--(.+)");

    private final Path root;

    HubCache(Path root) {
        this.root = root.toAbsolutePath().normalize();
    }

    static boolean isCommit(String revision) {
        return COMMIT.matcher(revision).matches();
    }

    private Path directory(HubRepository repository) {
        return root.resolve(repository.directoryName());
    }

    Path blob(HubRepository repository, String etag) {
        return directory(repository).resolve("blobs").resolve(etag);
    }

    Path lock(HubRepository repository, String etag) {
        return root.resolve(".locks").resolve(repository.directoryName()).resolve(etag + ".lock");
    }

    /** The directory with the files of a commit, there or not. */
    Path snapshot(HubRepository repository, String commit) {
        return directory(repository).resolve("snapshots").resolve(commit);
    }

    /** Notes which commit a branch or tag is at. */
    void remember(HubRepository repository, String commit) {
        Path ref = directory(repository).resolve("refs").resolve(repository.revision());
        if (!repository.revision().equals(commit) && !commit.equals(read(ref))) {
            AtomicFiles.writeString(ref, commit);
        }
    }

    /** The snapshot of a revision as far as it was downloaded, if anything was. */
    Optional<Path> find(HubRepository repository) {
        String revision = repository.revision();
        String commit = isCommit(revision)
                ? revision
                : read(directory(repository).resolve("refs").resolve(revision));
        Path snapshot = snapshot(repository, commit);
        return isCommit(commit) && Files.isDirectory(snapshot) ? Optional.of(snapshot) : Optional.empty();
    }

    private static String read(Path ref) {
        try {
            return Files.isRegularFile(ref) ? Files.readString(ref).strip() : "";
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + ref, e);
        }
    }

    /** Makes a blob visible under its name: a relative link or, where links cannot be made, a copy. */
    void link(HubRepository repository, String commit, HubFile file) throws IOException {
        Path pointer = snapshot(repository, commit).resolve(file.path());
        if (Files.exists(pointer)) {
            return;
        }
        Path blob = blob(repository, file.etag());
        Path parent = pointer.resolveSibling("");
        Files.createDirectories(parent);
        if (Files.exists(pointer, LinkOption.NOFOLLOW_LINKS)) {
            Files.delete(pointer); // A link to a blob that somebody deleted.
        }
        try {
            Files.createSymbolicLink(pointer, parent.relativize(blob));
        } catch (FileAlreadyExistsException e) {
            // Another process was faster with the same link.
        } catch (IOException | UnsupportedOperationException e) {
            AtomicFiles.copy(blob, pointer);
        }
    }

    /** The repository that a snapshot directory belongs to, from the directory's name; empty for other directories. */
    static Optional<String> repositoryOf(Path directory) {
        Path path = directory.toAbsolutePath().normalize();
        int last = path.getNameCount() - 1;
        if (last < 2 || !path.getName(last - 1).toString().equals("snapshots")) {
            return Optional.empty();
        }
        Matcher matcher = DIRECTORY.matcher(path.getName(last - 2).toString());
        return matcher.matches() && isCommit(path.getName(last).toString())
                ? Optional.of(matcher.group(1).replace("--", "/"))
                : Optional.empty();
    }
}
