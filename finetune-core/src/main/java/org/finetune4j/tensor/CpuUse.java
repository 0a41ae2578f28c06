package org.finetune4j.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Time that processors have spent working so far, as Linux counts it in {@code /proc}, in ticks of a hundredth of a second.
 *
 * @param all by every process, on the processors that this process may use
 * @param own by this process
 * @param elapsed since some moment, the same for all readings of a process
 * @param processors how many processors this process may use
 */
record CpuUse(long all, long own, long elapsed, int processors) {

    private static final long NANOSECONDS_A_TICK = 10_000_000;

    /**
     * Reads the present state.
     *
     * @return the counts, or null where the system does not tell them
     */
    static @Nullable CpuUse read() {
        try {
            return of(
                    Files.readAllLines(Path.of("/proc/stat")),
                    Files.readString(Path.of("/proc/self/stat")),
                    Files.readAllLines(Path.of("/proc/self/status")),
                    System.nanoTime() / NANOSECONDS_A_TICK);
        } catch (IOException | RuntimeException e) {
            return null; // another system, or a sandbox without these files
        }
    }

    /**
     * Takes the counts from the text of the files.
     *
     * @param stat lines of {@code /proc/stat}
     * @param self {@code /proc/self/stat}
     * @param status lines of {@code /proc/self/status}
     * @param elapsed ticks of a clock
     * @return the counts
     */
    static CpuUse of(List<String> stat, String self, List<String> status, long elapsed) {
        BitSet allowed = allowedProcessors(status);
        long all = 0;
        int processors = 0;
        for (String line : stat) {
            String[] fields = line.split(" +");
            if (fields[0].matches("cpu\\d+") && allowed.get(Integer.parseInt(fields[0].substring(3)))) {
                // user, nice, system, (idle, waiting for a disk,) interrupts, soft interrupts
                all += sum(fields, 1, 2, 3, 6, 7);
                processors++;
            }
        }
        // The name of the program stands in brackets and may hold blanks.
        String[] fields = self.substring(self.lastIndexOf(')') + 2).split(" ");
        return new CpuUse(all, sum(fields, 11, 12), elapsed, processors);
    }

    private static long sum(String[] fields, int... which) {
        long sum = 0;
        for (int field : which) {
            sum += Long.parseLong(fields[field]);
        }
        return sum;
    }

    /** The processors in a list such as {@code 0-3,8}. */
    private static BitSet allowedProcessors(List<String> status) {
        String key = "Cpus_allowed_list:";
        List<String> ranges = new ArrayList<>();
        for (String line : status) {
            if (line.startsWith(key)) {
                ranges.addAll(List.of(line.substring(key.length()).strip().split(",")));
            }
        }
        BitSet allowed = new BitSet();
        for (String range : ranges) {
            int dash = range.indexOf('-');
            int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash));
            int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1));
            allowed.set(first, last + 1);
        }
        return allowed;
    }

    /**
     * How many processors others kept busy between an earlier reading and this one.
     *
     * @param earlier the earlier reading
     * @return from 0 to the number of processors
     */
    double othersSince(CpuUse earlier) {
        return Math.max(0, (all - earlier.all) - (own - earlier.own)) / (double) Math.max(1, elapsed - earlier.elapsed);
    }
}
