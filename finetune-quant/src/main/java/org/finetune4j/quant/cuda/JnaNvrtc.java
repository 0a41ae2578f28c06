package org.finetune4j.quant.cuda;

import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.StringArray;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.Reasons;

/** Any version of NVRTC from CUDA 11.2 on, under whatever name its file has: libtorch's copy carries a hash in its name. */
final class JnaNvrtc implements Nvrtc {

    private final NativeLibrary library;

    private JnaNvrtc(NativeLibrary library) {
        this.library = library;
    }

    /** @throws CudaException when there is none */
    static JnaNvrtc open(CudaLibraries libraries) {
        Path file = libraries
                .find("nvrtc")
                .orElseThrow(() -> new CudaException("NVRTC (libnvrtc.so) is not found: install the CUDA toolkit or the"
                        + " Python package nvidia-cuda-nvrtc, or name its directory by -D" + CudaLibraries.PROPERTY));
        try {
            CudaLibraries.builtinsBeside(file).ifPresent(builtins -> NativeLibrary.getInstance(builtins.toString()));
            return new JnaNvrtc(NativeLibrary.getInstance(file.toString()));
        } catch (UnsatisfiedLinkError e) {
            throw new CudaException("NVRTC does not load from " + file + ": " + Reasons.of(e));
        }
    }

    private int call(String name, Object... arguments) {
        return library.getFunction(name).invokeInt(arguments);
    }

    private void checked(String name, Object... arguments) {
        int result = call(name, arguments);
        if (result != 0) {
            throw new CudaException(name + " failed: " + describe(result));
        }
    }

    private String describe(int result) {
        return library.getFunction("nvrtcGetErrorString").invokeString(new Object[] {result}, false);
    }

    @Override
    public String version() {
        IntByReference major = new IntByReference();
        IntByReference minor = new IntByReference();
        checked("nvrtcVersion", major, minor);
        return major.getValue() + "." + minor.getValue();
    }

    @Override
    public List<Integer> architectures() {
        IntByReference count = new IntByReference();
        checked("nvrtcGetNumSupportedArchs", count);
        try (Memory numbers = new Memory((long) Integer.BYTES * count.getValue())) {
            checked("nvrtcGetSupportedArchs", numbers);
            return Arrays.stream(numbers.getIntArray(0, count.getValue()))
                    .sorted()
                    .boxed()
                    .toList();
        }
    }

    @Override
    public byte[] compile(String source, String name, List<String> options, Output output) {
        PointerByReference program = new PointerByReference();
        checked("nvrtcCreateProgram", program, source, name, 0, Pointer.NULL, Pointer.NULL);
        try {
            int result = call(
                    "nvrtcCompileProgram",
                    program.getValue(),
                    options.size(),
                    new StringArray(options.toArray(String[]::new)));
            if (result != 0) {
                throw new CudaException(describe(result) + ": " + Nvrtc.log(read("ProgramLog", program.getValue())));
            }
            return read(output.name(), program.getValue());
        } finally {
            call("nvrtcDestroyProgram", program);
        }
    }

    private byte[] read(String what, Pointer program) {
        LongByReference size = new LongByReference();
        checked("nvrtcGet" + what + "Size", program, size);
        try (Memory bytes = new Memory(Math.max(1, size.getValue()))) {
            checked("nvrtcGet" + what, program, bytes);
            return bytes.getByteArray(0, Math.toIntExact(size.getValue()));
        }
    }

    @Override
    public String toString() {
        return "NVRTC by JNA";
    }
}
