package org.finetune4j.quant.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The text of all kernels as one program, which NVRTC compiles in one go. */
final class KernelSource {

    private static final List<String> FILES =
            List.of("common.cuh", "quantize.cu", "dequantize.cu", "rows.cu", "adamw.cu");

    private KernelSource() {}

    /** The program; compiler messages name the file and line. */
    static String text() {
        StringBuilder text = new StringBuilder();
        for (String file : FILES) {
            text.append("#line 1 \"").append(file).append("\"\n").append(read(file));
        }
        return text.toString();
    }

    private static String read(String file) {
        try (InputStream stream = KernelSource.class.getResourceAsStream(file)) {
            if (stream == null) {
                throw new IllegalStateException("no resource " + file + " beside " + KernelSource.class.getName());
            }
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
