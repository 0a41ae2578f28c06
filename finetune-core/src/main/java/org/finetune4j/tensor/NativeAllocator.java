package org.finetune4j.tensor;

import com.sun.jna.NativeLibrary;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The C library's allocator, from which libtorch takes a CPU's tensors. Only glibc's is known here; with another one, or
 * with the system property {@code finetune4j.malloc=false}, nothing happens.
 */
public final class NativeAllocator {

    private static final Logger LOG = LoggerFactory.getLogger(NativeAllocator.class);

    private static final int TRIM_THRESHOLD = -1;
    private static final int TOP_PAD = -2;
    private static final int MMAP_THRESHOLD = -3;

    private static final int MADV_HUGEPAGE = 14;
    private static final long LARGE_PAGE = 2L << 20;

    private static final int SMALLEST_MAPPED = 1 << 25;
    private static final int SMALLEST_MAPPED_OF_LARGE_MODELS = 1 << 22;

    private static volatile int mapped = SMALLEST_MAPPED;

    private NativeAllocator() {}

    /**
     * Blocks of this size and more are mapped on their own, and leave no gaps when they are freed.
     *
     * @return bytes
     */
    public static int smallestMappedBlock() {
        return mapped;
    }

    /**
     * First touch of fresh memory is dear, and glibc gives every large block back to the kernel when it is freed: a
     * training step that frees and asks again for the same blocks would fault them in each time.
     */
    static void tune() {
        setThresholds(SMALLEST_MAPPED, Integer.MAX_VALUE, 1 << 26);
    }

    /**
     * From here on, blocks of 4 MB and more go back to the system when they are freed. glibc's heaps for threads are 64 MB
     * long: the activations of a large model, 8 to 40 MB each, leave gaps there that no other block fits, and what is
     * resident grows from step to step. Fetching such a block anew costs a small part of a product of that size.
     */
    public static void returnLargeBlocks() {
        Torch.ensureLoaded();
        setThresholds(SMALLEST_MAPPED_OF_LARGE_MODELS, 1 << 26, 1 << 20);
    }

    /**
     * Memory of its own for float32 numbers, in large pages where the system has them for who asks: fetching one costs little
     * more than fetching one of the small ones, of which 512 would be needed.
     *
     * @param count of numbers
     * @return [count], whose numbers are not set; it belongs to nobody
     */
    static Tensor inLargePages(long count) {
        Tensor memory = Tensors.empty(DType.FLOAT32, Device.CPU, count);
        if (NativePlatform.isLinux()) {
            long first = memory.handle().data_ptr().address();
            long start = (first + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
            long end = (first + count * Float.BYTES) / LARGE_PAGE * LARGE_PAGE;
            if (end > start) {
                try {
                    NativeLibrary.getInstance("c")
                            .getFunction("madvise")
                            .invokeInt(new Object[] {new Pointer(start), new NativeLong(end - start), MADV_HUGEPAGE});
                } catch (UnsatisfiedLinkError e) {
                    LOG.debug("no madvise in this C library: pages stay small", e);
                }
            }
        }
        return memory.unscoped();
    }

    /** Gives pages back to the system that lie between blocks which are in use, as after many of them were replaced. */
    public static void trim() {
        if (isGlibcs()) {
            call("malloc_trim", new NativeLong(0));
        }
    }

    private static void setThresholds(int mmapThreshold, int trimThreshold, int topPad) {
        mapped = mmapThreshold;
        if (isGlibcs()) {
            call("mallopt", MMAP_THRESHOLD, mmapThreshold);
            call("mallopt", TRIM_THRESHOLD, trimThreshold);
            call("mallopt", TOP_PAD, topPad);
        }
    }

    private static boolean isGlibcs() {
        return NativePlatform.isLinux() && Boolean.parseBoolean(System.getProperty("finetune4j.malloc", "true"));
    }

    private static void call(String function, Object... arguments) {
        try {
            NativeLibrary.getInstance("c").getFunction(function).invokeInt(arguments);
        } catch (UnsatisfiedLinkError e) {
            LOG.debug("no {} in this C library: the allocator keeps its defaults", function, e);
        }
    }
}
