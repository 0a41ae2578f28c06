package org.finetune4j.tensor;

import com.sun.jna.NativeLibrary;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How many compiled kernels oneDNN keeps: those that were used last. Each has code and memory of its own, a third of a megabyte for a
 * product of a layer, so that its own default, 1,024, is a third of a gigabyte once lengths have changed often enough. A step has some
 * forty; the attention of a sequence of 6,000 tokens, where oneDNN calculates it, has 500.
 *
 * <p>oneDNN takes the number from the environment when it compiles its first kernel. One that the user has set is left.
 */
final class KernelCache {

    private static final Logger LOG = LoggerFactory.getLogger(KernelCache.class);

    static final String NAME = "ONEDNN_PRIMITIVE_CACHE_CAPACITY";
    private static final String OLD_NAME = "DNNL_PRIMITIVE_CACHE_CAPACITY";
    static final int KERNELS = 512;

    private KernelCache() {}

    /** To be called before libtorch is loaded. The process's own environment is changed, not what Java hands to processes it starts. */
    static void limit() {
        if (!NativePlatform.isLinux() || System.getenv(NAME) != null || System.getenv(OLD_NAME) != null) {
            return;
        }
        try {
            NativeLibrary.getInstance("c")
                    .getFunction("setenv")
                    .invokeInt(new Object[] {NAME, Integer.toString(KERNELS), 0});
        } catch (UnsatisfiedLinkError e) {
            LOG.debug("no setenv in this C library: oneDNN keeps as many kernels as it wants", e);
        }
    }
}
