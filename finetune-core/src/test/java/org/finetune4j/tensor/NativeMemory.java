package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a process holds besides Java's heap. */
public final class NativeMemory {

    private static final Path MAPS = Path.of("/proc/self/smaps");

    /** Java's heap, which grows as it likes, lies below this address, and what the C library gives out above. */
    private static final long END_OF_JAVA_HEAP = 32L << 30;

    private static final int WINDOWS = 5;

    private NativeMemory() {}

    /**
     * What a piece of work leaves behind every time. Java's compiler, its threads and the C library take memory of their own when they
     * like, but not without end: what is leaked shows in every window of time, so the smallest growth of several ones tells.
     *
     * @param work is done in every window, and once before for what is kept on purpose
     */
    public static long leak(Runnable work) {
        long[] measured = new long[WINDOWS + 1];
        for (int window = 0; window <= WINDOWS; window++) {
            work.run();
            measured[window] = bytes();
        }
        return smallestGrowth(measured);
    }

    /** The smallest difference of neighbours. */
    public static long smallestGrowth(long... measured) {
        long smallest = Long.MAX_VALUE;
        for (int i = 1; i < measured.length; i++) {
            smallest = Math.min(smallest, measured[i] - measured[i - 1]);
        }
        return smallest;
    }

    /** The bytes that are resident outside of Java's heap; ends a test where the system does not tell. */
    public static long bytes() {
        assumeTrue(Files.isReadable(MAPS), "this system does not tell what a process holds");
        boolean counts = false;
        long kilobytes = 0;
        try {
            for (String line : Files.readAllLines(MAPS)) {
                if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                    counts = Long.parseUnsignedLong(line.substring(0, line.indexOf('-')), 16) >= END_OF_JAVA_HEAP;
                } else if (counts && line.startsWith("Rss:")) {
                    kilobytes += Long.parseLong(line.replaceAll("\\D", ""));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return kilobytes << 10;
    }
}
