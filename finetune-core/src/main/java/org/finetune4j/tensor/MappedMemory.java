package org.finetune4j.tensor;

import com.sun.jna.NativeLibrary;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the system about memory that is mapped from files. */
public final class MappedMemory {

    private static final Logger LOG = LoggerFactory.getLogger(MappedMemory.class);
    private static final long PAGE = 1 << 16;
    private static final int WILL_NEED = 3;
    private static final int DONT_NEED = 4;

    private MappedMemory() {}

    /**
     * Lets the system take back the pages of a part of a mapped file; they are read again when they are touched again. Does
     * nothing where the system is not Linux.
     *
     * @param mapping from {@link Tensors#mapped}, never written to
     * @param begin first byte of the part
     * @param end byte after its last
     * @throws IllegalArgumentException when that is no part of it
     */
    public static void release(Tensor mapping, long begin, long end) {
        long bytes = mapping.numel() * mapping.dtype().itemSize();
        if (!mapping.isContiguous() || begin < 0 || end > bytes || begin > end) {
            throw new IllegalArgumentException("bytes " + begin + " to " + end + " are no part of " + bytes);
        }
        long base = mapping.handle().data_ptr().address();
        advise((base + begin + PAGE - 1) / PAGE * PAGE, (base + end) / PAGE * PAGE, DONT_NEED);
    }

    /** The parts of this process's memory that files are mapped to at one moment. */
    public static final class Mappings {

        private static final Pattern LINE = Pattern.compile("(\\p{XDigit}+)-(\\p{XDigit}+) \\S+ \\S+ \\S+ (\\d+).*");

        private final NavigableMap<Long, Long> ends = new TreeMap<>();

        /** {@return the present ones; none where the system does not say} */
        public static Mappings now() {
            Mappings mappings = new Mappings();
            try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
                lines.map(LINE::matcher)
                        .filter(line -> line.matches() && !line.group(3).equals("0"))
                        .forEach(line -> mappings.ends.put(
                                Long.parseUnsignedLong(line.group(1), 16), Long.parseUnsignedLong(line.group(2), 16)));
            } catch (IOException | UncheckedIOException e) {
                LOG.debug("no list of mappings on this system: pages stay until memory is short", e);
            }
            return mappings;
        }

        /**
         * Lets the system take back the pages of a tensor that nobody reads any more, where they are a file's.
         *
         * @param tensor any; one that is not contiguous has gaps, which others may be reading, and is left
         */
        public void release(Tensor tensor) {
            long first = tensor.handle().data_ptr().address();
            long last = first + tensor.numel() * tensor.dtype().itemSize();
            Map.Entry<Long, Long> around = ends.floorEntry(first);
            if (around != null && last <= around.getValue() && tensor.isContiguous()) {
                MappedMemory.release(tensor, 0, last - first);
            }
        }
    }

    /**
     * Lets the system read a mapped file ahead of its use. Does nothing where the system is not Linux.
     *
     * @param mapping from {@link Tensors#mapped}, whole: it begins where a page does
     */
    public static void bringIn(Tensor mapping) {
        long base = mapping.handle().data_ptr().address();
        advise(base, base + mapping.numel() * mapping.dtype().itemSize(), WILL_NEED);
    }

    private static void advise(long first, long last, int advice) {
        if (last <= first || !NativePlatform.isLinux()) {
            return;
        }
        try {
            NativeLibrary.getInstance("c")
                    .getFunction("madvise")
                    .invokeInt(new Object[] {new Pointer(first), new NativeLong(last - first), advice});
        } catch (UnsatisfiedLinkError e) {
            LOG.debug("no madvise in this C library: pages stay until memory is short", e);
        }
    }
}
