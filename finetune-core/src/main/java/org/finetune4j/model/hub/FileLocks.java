package org.finetune4j.model.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/** One holder a path, among the threads of this process and among processes. */
final class FileLocks {

    private static final Map<Path, ReentrantLock> THREADS = new ConcurrentHashMap<>();

    private FileLocks() {}

    /** What is done while holding a lock. */
    @FunctionalInterface
    interface Work {
        void run() throws IOException;
    }

    /** Waits for the lock, does the work, lets go. The lock file stays: deleting it would let two hold it. */
    static void whileHolding(Path file, Work work) throws IOException {
        Path key = file.toAbsolutePath().normalize();
        ReentrantLock threads = THREADS.computeIfAbsent(key, path -> new ReentrantLock());
        threads.lock();
        try {
            Files.createDirectories(key.getParent());
            try (FileChannel channel = FileChannel.open(key, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    FileLock held = channel.lock()) {
                work.run();
            }
        } finally {
            threads.unlock();
        }
    }
}
