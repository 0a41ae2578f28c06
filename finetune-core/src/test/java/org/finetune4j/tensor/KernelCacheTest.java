package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.jna.NativeLibrary;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class KernelCacheTest {

    /** oneDNN reads it when it compiles its first kernel. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void libtorchIsLoadedWithALimitUnlessTheUserHasSetOne() {
        String before = System.getenv(KernelCache.NAME);
        Torch.ensureLoaded();
        String now = NativeLibrary.getInstance("c")
                .getFunction("getenv")
                .invokeString(new Object[] {KernelCache.NAME}, false);
        assertEquals(Objects.requireNonNullElse(before, Integer.toString(KernelCache.KERNELS)), now);
        assertEquals(before, new ProcessBuilder().environment().get(KernelCache.NAME), "children get what was there");
    }
}
