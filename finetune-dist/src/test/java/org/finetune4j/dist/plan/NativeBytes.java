package org.finetune4j.dist.plan;

import com.sun.jna.NativeLibrary;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;
import java.util.Optional;

/** What glibc's allocator, from which libtorch takes a CPU's tensors, has given out. */
final class NativeBytes {

    /** {@code struct mallinfo2}. */
    @FieldOrder({
        "arena",
        "ordblks",
        "smblks",
        "hblks",
        "hblkhd",
        "usmblks",
        "fsmblks",
        "uordblks",
        "fordblks",
        "keepcost"
    })
    public static final class Mallinfo extends Structure implements Structure.ByValue {
        public long arena;
        public long ordblks;
        public long smblks;
        public long hblks;
        public long hblkhd;
        public long usmblks;
        public long fsmblks;
        public long uordblks;
        public long fordblks;
        public long keepcost;
    }

    private NativeBytes() {}

    /** {@return bytes that all threads have, or nothing where the C library does not tell; glibc does from 2.33 on} */
    static Optional<Long> inUse() {
        try {
            Mallinfo info = (Mallinfo)
                    NativeLibrary.getInstance("c").getFunction("mallinfo2").invoke(Mallinfo.class, new Object[0]);
            return Optional.of(info.uordblks + info.hblkhd);
        } catch (UnsatisfiedLinkError e) {
            return Optional.empty();
        }
    }
}
