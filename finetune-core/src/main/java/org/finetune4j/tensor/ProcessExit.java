package org.finetune4j.tensor;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ends the process without libtorch's own clean-up. When a virtual machine is asked to end (Ctrl-C, a polite kill, {@code
 * System.exit}), threads may still be inside libtorch; its destructors would free what they are using, and the process would
 * end with a segmentation fault. The operating system takes everything back anyway.
 */
final class ProcessExit {

    private static final Logger LOG = LoggerFactory.getLogger(ProcessExit.class);

    private ProcessExit() {}

    /**
     * Lets the process end at once, with its exit code, where libtorch's destructors would begin. Java's shutdown hooks have
     * run by then; so have the exit handlers of libraries that are loaded later than libtorch.
     */
    static void skipDestructors() {
        if (!NativePlatform.isLinux() || !Boolean.parseBoolean(System.getProperty("finetune4j.exit", "true"))) {
            return;
        }
        try {
            NativeLibrary c = NativeLibrary.getInstance("c");
            // glibc calls on_exit's functions with the exit code first: _exit itself fits. Handlers run in reverse
            // order.
            Function handler = c.getFunction("_exit");
            c.getFunction("on_exit").invokeInt(new Object[] {handler, Pointer.NULL});
        } catch (UnsatisfiedLinkError e) {
            LOG.debug("no on_exit in this C library: destructors run at exit", e);
        }
    }
}
