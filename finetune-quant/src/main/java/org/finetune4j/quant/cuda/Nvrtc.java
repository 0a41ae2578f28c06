package org.finetune4j.quant.cuda;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** NVIDIA's compiler as a library. It needs no GPU. */
interface Nvrtc {

    /** What a compilation gave. */
    enum Output {
        /** Machine code for one architecture. */
        CUBIN,
        /** Assembler text that the driver turns into machine code; it ends with a zero byte. */
        PTX
    }

    /** Such as 12.9. */
    String version();

    /** The architectures it can compile for, such as 75 or 90, in ascending order. */
    List<Integer> architectures();

    /**
     * Compiles a program.
     *
     * @param name of the program, for messages
     * @throws CudaException with the compiler's messages when the program has an error
     */
    byte[] compile(String source, String name, List<String> options, Output output);

    /** The compiler's messages as text: they end with a zero byte. */
    static String log(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8).replace("\0", "").strip();
    }

    /**
     * Opens NVRTC.
     *
     * @throws CudaException when there is none
     */
    static Nvrtc open() {
        return open(CudaLibraries.standard());
    }

    /** The same with other places to look in. */
    static Nvrtc open(CudaLibraries libraries) {
        return new JavaCppNvrtc(libraries);
    }
}
