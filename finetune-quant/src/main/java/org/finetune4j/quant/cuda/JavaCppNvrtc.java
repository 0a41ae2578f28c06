package org.finetune4j.quant.cuda;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.cuda.nvrtc._nvrtcProgram;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;

/** NVRTC 12 through {@code org.bytedeco:cuda}. */
final class JavaCppNvrtc implements Nvrtc {

    /** Loads what the binding is linked to, and the binding. */
    JavaCppNvrtc(CudaLibraries libraries) {
        LinkedLibraries.loadCompiler(libraries);
    }

    private static void check(String call, int result) {
        if (result != 0) {
            throw new CudaException(call + " failed: " + describe(result));
        }
    }

    private static String describe(int result) {
        return nvrtc.nvrtcGetErrorString(result).getString();
    }

    @Override
    public String version() {
        int[] major = new int[1];
        int[] minor = new int[1];
        check("nvrtcVersion", nvrtc.nvrtcVersion(major, minor));
        return major[0] + "." + minor[0];
    }

    @Override
    public List<Integer> architectures() {
        int[] count = new int[1];
        check("nvrtcGetNumSupportedArchs", nvrtc.nvrtcGetNumSupportedArchs(count));
        int[] numbers = new int[count[0]];
        check("nvrtcGetSupportedArchs", nvrtc.nvrtcGetSupportedArchs(numbers));
        return Arrays.stream(numbers).sorted().boxed().toList();
    }

    @Override
    public byte[] compile(String source, String name, List<String> options, Output output) {
        _nvrtcProgram program = new _nvrtcProgram();
        try (BytePointer text = new BytePointer(source, StandardCharsets.UTF_8);
                BytePointer title = new BytePointer(name, StandardCharsets.UTF_8);
                PointerPointer<BytePointer> none = new PointerPointer<>(0);
                PointerPointer<BytePointer> list = new PointerPointer<>(options.toArray(String[]::new))) {
            check("nvrtcCreateProgram", nvrtc.nvrtcCreateProgram(program, text, title, 0, none, none));
            int result = nvrtc.nvrtcCompileProgram(program, options.size(), list);
            if (result != 0) {
                throw new CudaException(describe(result) + ": " + log(program));
            }
            return output == Output.CUBIN ? cubin(program) : ptx(program);
        } finally {
            nvrtc.nvrtcDestroyProgram(program);
        }
    }

    private static String log(_nvrtcProgram program) {
        try (SizeTPointer size = new SizeTPointer(1)) {
            check("nvrtcGetProgramLogSize", nvrtc.nvrtcGetProgramLogSize(program, size));
            byte[] log = new byte[Math.toIntExact(size.get())];
            check("nvrtcGetProgramLog", nvrtc.nvrtcGetProgramLog(program, log));
            return Nvrtc.log(log);
        }
    }

    private static byte[] cubin(_nvrtcProgram program) {
        try (SizeTPointer size = new SizeTPointer(1)) {
            check("nvrtcGetCUBINSize", nvrtc.nvrtcGetCUBINSize(program, size));
            byte[] code = new byte[Math.toIntExact(size.get())];
            check("nvrtcGetCUBIN", nvrtc.nvrtcGetCUBIN(program, code));
            return code;
        }
    }

    private static byte[] ptx(_nvrtcProgram program) {
        try (SizeTPointer size = new SizeTPointer(1)) {
            check("nvrtcGetPTXSize", nvrtc.nvrtcGetPTXSize(program, size));
            byte[] text = new byte[Math.toIntExact(size.get())];
            check("nvrtcGetPTX", nvrtc.nvrtcGetPTX(program, text));
            return text;
        }
    }
}
