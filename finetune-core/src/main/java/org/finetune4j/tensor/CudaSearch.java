package org.finetune4j.tensor;

import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import org.finetune4j.FinetuneException;

/**
 * Keeps DJL and JavaCPP from looking for GPUs where there is no driver for them. DJL would look several times while it starts, and
 * warn of every failure in the log of a program that never asked for a GPU. JavaCPP would look for two dozen libraries of CUDA, each
 * by several names in every entry of the class path, which takes longer than loading those that are there.
 */
final class CudaSearch {

    /** With this property DJL's class asks other processes instead of the library; it is read once while the class loads. */
    private static final String ELSEWHERE = "ai.djl.util.cuda.fork";

    /** JavaCPP reads it once: what builds are looked for before the plain one. Unset, that is the build for GPUs. */
    private static final String BUILDS = "org.bytedeco.javacpp.platform.extension";

    private CudaSearch() {}

    static void skipWithoutDriver() {
        if (hasDriver()) {
            return;
        }
        if (System.getProperty(BUILDS) == null) {
            System.setProperty(BUILDS, "-cpu");
        }
        String before = System.getProperty(ELSEWHERE);
        System.setProperty(ELSEWHERE, "true");
        try {
            // Loaded now, the class stays without a library and finds no GPU from then on.
            Class.forName("ai.djl.util.cuda.CudaUtils");
        } catch (ClassNotFoundException e) {
            throw new FinetuneException("ai.djl:api is not on the class path", e);
        } finally {
            if (before == null) {
                System.clearProperty(ELSEWHERE);
            } else {
                System.setProperty(ELSEWHERE, before);
            }
        }
    }

    private static boolean hasDriver() {
        if (Platform.isMac()) {
            return false;
        }
        try {
            NativeLibrary.getInstance(Platform.isWindows() ? "nvcuda" : "libcuda.so.1")
                    .close();
            return true;
        } catch (LinkageError e) {
            return false;
        }
    }
}
