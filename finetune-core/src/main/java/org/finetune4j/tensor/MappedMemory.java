package org.finetune4j.tensor;

import com.sun.jna.NativeLibrary;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the system about memory that is mapped from files. */
public final class MappedMemory {

    private static final Logger LOG = LoggerFactory.getLogger(MappedMemory.class);
    private static final long PAGE = 1 << 16;
    private static final int DONT_NEED = 4;

    private MappedMemory() {}

    /**
     * Lets the system take back the pages of a part of a mapped file; they are read again when they are touched again. Does
     * nothing where the system is not Linux.
     *
     * @param mapping from {@link Tensors#mapped}, never written to
     * @param begin first byte of the part
     * @param end byte after its last
     */
    public static void release(Tensor mapping, long begin, long end) {
        if (!System.getProperty("os.name").startsWith("Linux")) {
            return;
        }
        long base = mapping.handle().data_ptr().address();
        long first = (base + begin + PAGE - 1) / PAGE * PAGE;
        long last = (base + end) / PAGE * PAGE;
        if (last <= first) {
            return;
        }
        try {
            NativeLibrary.getInstance("c")
                    .getFunction("madvise")
                    .invokeInt(new Object[] {new Pointer(first), new NativeLong(last - first), DONT_NEED});
        } catch (UnsatisfiedLinkError e) {
            LOG.debug("no madvise in this C library: pages stay until memory is short", e);
        }
    }
}
