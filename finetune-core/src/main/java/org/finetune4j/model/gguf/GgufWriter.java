package org.finetune4j.model.gguf;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Writes GGUF files, version 3, little-endian, one tensor at a time and each in small pieces. */
final class GgufWriter {

    static final int MAGIC = 0x46554747; // "GGUF"
    static final int VERSION = 3;
    static final int ALIGNMENT = 32;

    private static final int PIECE = 1 << 20;

    private GgufWriter() {}

    /**
     * Writes a file beside {@code file} and renames it.
     *
     * @throws org.finetune4j.UserErrorException when it cannot be written; what was there before stays
     */
    static void write(Path file, Map<String, GgufValue> metadata, List<GgufTensor> tensors, GgufType type) {
        AtomicFiles.write(file, path -> {
            try (OutputStream out = Files.newOutputStream(path)) {
                byte[] header = header(metadata, tensors, type);
                out.write(header);
                pad(out, header.length);
                for (GgufTensor tensor : tensors) {
                    try (TensorScope scope = TensorScope.open()) {
                        pad(out, write(out, tensor, tensor.type(type)));
                    }
                }
            }
        });
    }

    private static byte[] header(Map<String, GgufValue> metadata, List<GgufTensor> tensors, GgufType type) {
        Bytes out = new Bytes();
        out.int32(MAGIC).int32(VERSION).int64(tensors.size()).int64(metadata.size());
        metadata.forEach((key, value) -> out.text(key).value(value));
        long offset = 0;
        for (GgufTensor tensor : tensors) {
            long[] shape = tensor.shape();
            GgufType own = tensor.type(type);
            out.text(tensor.name()).int32(shape.length);
            for (int dimension = shape.length - 1; dimension >= 0; dimension--) {
                out.int64(shape[dimension]);
            }
            out.int32(own.id()).int64(offset);
            offset += aligned(own.bytes(tensor.count()));
        }
        return out.bytes.toByteArray();
    }

    private static long write(OutputStream out, GgufTensor entry, GgufType type) throws IOException {
        Tensor tensor = entry.tensor().get();
        if (!Arrays.equals(tensor.shape(), entry.shape())) {
            throw new IllegalStateException("tensor '" + entry.name() + "' was announced as "
                    + Arrays.toString(entry.shape()) + ", but is " + tensor);
        }
        long rows = tensor.size(0);
        long rowsAtOnce = Math.max(1, PIECE * rows / Math.max(1, entry.count()));
        for (long row = 0; row < rows; row += rowsAtOnce) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor piece =
                        tensor.narrow(0, row, Math.min(rowsAtOnce, rows - row)).to(Device.CPU);
                FiniteValues.require(entry.name(), piece);
                out.write(encoded(entry.name(), piece, type));
            }
        }
        return type.bytes(entry.count());
    }

    private static byte[] encoded(String name, Tensor values, GgufType type) {
        return switch (type) {
            case F32 -> bytes(FiniteValues.convert(name, values, DType.FLOAT32));
            case F16 -> bytes(FiniteValues.convert(name, values, DType.FLOAT16));
            case BF16 -> bytes(FiniteValues.convert(name, values, DType.BFLOAT16));
            case Q8_0 -> {
                float[] numbers = values.to(DType.FLOAT32).toFloatArray();
                ByteBuffer target = ByteBuffer.allocate(Math.toIntExact(type.bytes(numbers.length)));
                GgufQuantization.q8(name, numbers, target);
                yield target.array();
            }
        };
    }

    private static byte[] bytes(Tensor tensor) {
        Tensor contiguous = tensor.contiguous();
        long count = Arrays.stream(tensor.shape()).reduce(1, Math::multiplyExact);
        byte[] bytes = new byte[Math.toIntExact(count * tensor.dtype().itemSize())];
        contiguous.readBytes(0, bytes, bytes.length);
        return bytes;
    }

    static long aligned(long length) {
        return (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static void pad(OutputStream out, long length) throws IOException {
        out.write(new byte[(int) (aligned(length) - length)]);
    }

    /** Little-endian bytes. */
    private static final class Bytes {

        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Bytes int32(int value) {
            bytes.writeBytes(ByteBuffer.allocate(4)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(value)
                    .array());
            return this;
        }

        Bytes int64(long value) {
            bytes.writeBytes(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(value)
                    .array());
            return this;
        }

        Bytes text(String text) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            int64(utf8.length);
            bytes.writeBytes(utf8);
            return this;
        }

        private Bytes array(int type, int size) {
            return int32(GgufFile.ARRAY).int32(type).int64(size);
        }

        void value(GgufValue value) {
            if (value instanceof GgufValue.Text text) {
                int32(GgufFile.STRING).text(text.value());
            } else if (value instanceof GgufValue.Unsigned number) {
                int32(GgufFile.UINT32).int32(Math.toIntExact(number.value()));
            } else if (value instanceof GgufValue.Real number) {
                int32(GgufFile.FLOAT32).int32(Float.floatToIntBits(number.value()));
            } else if (value instanceof GgufValue.Flag flag) {
                int32(GgufFile.BOOL);
                bytes.write(flag.value() ? 1 : 0);
            } else if (value instanceof GgufValue.Texts texts) {
                array(GgufFile.STRING, texts.values().size());
                texts.values().forEach(this::text);
            } else if (value instanceof GgufValue.Integers integers) {
                array(GgufFile.INT32, integers.values().size());
                integers.values().forEach(this::int32);
            } else if (value instanceof GgufValue.Reals reals) {
                array(GgufFile.FLOAT32, reals.values().size());
                reals.values().forEach(real -> int32(Float.floatToIntBits(real)));
            }
        }
    }
}
