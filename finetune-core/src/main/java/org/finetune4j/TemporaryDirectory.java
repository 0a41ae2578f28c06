package org.finetune4j;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Temporary directories that a later process can tell to be abandoned: each has a file that its process holds locked, and the
 * system takes the lock away when the process ends, however it ends.
 */
final class TemporaryDirectory {

    private static final Logger LOG = LoggerFactory.getLogger(TemporaryDirectory.class);
    private static final String LOCK = ".finetune4j-in-use";

    /** The locks of this process. To open such a file again would let go of its lock on some systems. */
    private static final Map<Path, FileChannel> HELD = new ConcurrentHashMap<>();

    private TemporaryDirectory() {}

    static Path create(Path parent, String prefix) throws IOException {
        Path directory = Files.createTempDirectory(Files.createDirectories(parent), prefix);
        // Others take a file of that name that nobody has locked for an abandoned one: it is locked before it has the
        // name.
        Path unnamed = directory.resolve(LOCK + ".new");
        FileChannel channel = FileChannel.open(unnamed, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        HELD.put(key(directory), channel);
        lock(channel);
        Files.move(unnamed, directory.resolve(LOCK), StandardCopyOption.ATOMIC_MOVE);
        return directory;
    }

    static void letGo(Path directory) {
        FileChannel channel = HELD.remove(key(directory));
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException e) {
                LOG.debug("cannot close the lock of {}", directory, e);
            }
        }
    }

    /** Deletes the directories with this prefix that no process uses any more. What cannot be looked at stays. */
    static void deleteAbandoned(Path parent, String prefix) {
        List<Path> candidates;
        try (Stream<Path> entries = Files.isDirectory(parent) ? Files.list(parent) : Stream.empty()) {
            candidates = entries.filter(path -> path.getFileName().toString().startsWith(prefix))
                    .filter(path -> Files.isRegularFile(path.resolve(LOCK)))
                    .toList();
        } catch (IOException e) {
            LOG.debug("cannot look for abandoned directories in {}", parent, e);
            return;
        }
        candidates.stream().filter(path -> !HELD.containsKey(key(path))).forEach(TemporaryDirectory::deleteIfAbandoned);
    }

    private static void deleteIfAbandoned(Path directory) {
        try (FileChannel channel = FileChannel.open(directory.resolve(LOCK), StandardOpenOption.WRITE)) {
            if (lock(channel)) {
                AtomicFiles.deleteTree(directory);
            }
        } catch (IOException | RuntimeException e) {
            LOG.debug("cannot delete {}", directory, e);
        }
    }

    /** Whether the lock was to be had. Where a file system has no locks nothing ever counts as abandoned. */
    private static boolean lock(FileChannel channel) {
        try {
            FileLock lock = channel.tryLock();
            return lock != null;
        } catch (IOException e) {
            return false;
        }
    }

    private static Path key(Path directory) {
        return directory.toAbsolutePath().normalize();
    }
}
