package org.finetune4j.model.safetensors;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Writes safetensors files, byte for byte as the reference implementation does for the same tensors. Tensors are asked for
 * one at a time and copied through a small buffer, so saving a model needs no memory to speak of.
 */
public final class SafetensorsWriter {

    /** What {@code save_pretrained} writes as metadata, and transformers asks for. */
    public static final Map<String, String> PYTORCH_METADATA = Map.of("format", "pt");

    private static final int BUFFER = 1 << 20;
    // The reference implementation sorts by this order of types, descending, then by name.
    private static final List<DType> ORDER = List.of(
            DType.INT64,
            DType.FLOAT64,
            DType.FLOAT32,
            DType.INT32,
            DType.BFLOAT16,
            DType.FLOAT16,
            DType.INT16,
            DType.INT8,
            DType.UINT8,
            DType.BOOL);

    /**
     * A tensor to write.
     *
     * @param tensor makes it when its turn comes, of this dtype and shape; it is freed when it is written
     */
    public record Entry(String name, DType dtype, long[] shape, Supplier<Tensor> tensor) {

        /**
         * A tensor that is there already.
         *
         * @param name of the tensor
         * @param tensor its values, which must stay open until they are written
         * @return what writes it
         */
        public static Entry of(String name, Tensor tensor) {
            return new Entry(name, tensor.dtype(), tensor.shape(), tensor::detach);
        }

        /**
         * A parameter's values, which are brought together where several processes have parts of them.
         *
         * @param name of the tensor
         * @param parameter its owner, in the type that it is stored in
         * @return what writes it
         */
        public static Entry of(String name, Parameter parameter) {
            DType dtype = parameter.dtype();
            return new Entry(name, dtype, parameter.wholeShape(), () -> parameter
                    .whole(dtype)
                    .detach());
        }

        long bytes() {
            return Math.multiplyExact(TensorInfo.numel(shape), dtype.itemSize());
        }
    }

    private SafetensorsWriter() {}

    /**
     * Writes a file beside {@code file} and renames it.
     *
     * @param file where it goes
     * @param entries in the order of the file
     * @param metadata texts for the header
     * @throws org.finetune4j.UserErrorException when it cannot be written; what was there before stays
     */
    public static void write(Path file, List<Entry> entries, Map<String, String> metadata) {
        AtomicFiles.write(file, path -> writeTo(path, entries, metadata));
    }

    /**
     * Writes a file beside {@code file}, does something else, and renames it: when that fails nothing is changed.
     *
     * @param file where to
     * @param entries the tensors
     * @param metadata texts by name
     * @param then what has to be done before the file is there
     * @throws org.finetune4j.UserErrorException when it cannot be written; what was there before stays
     */
    static void write(Path file, List<Entry> entries, Map<String, String> metadata, Runnable then) {
        AtomicFiles.write(file, path -> {
            writeTo(path, entries, metadata);
            then.run();
        });
    }

    private static void writeTo(Path path, List<Entry> entries, Map<String, String> metadata) throws IOException {
        List<Entry> sorted = entries.stream()
                .sorted(Comparator.comparingInt((Entry entry) -> ORDER.indexOf(entry.dtype()))
                        .thenComparing(Entry::name))
                .toList();
        try (OutputStream out = Files.newOutputStream(path)) {
            byte[] header = header(sorted, metadata);
            out.write(ByteBuffer.allocate(SafetensorsHeader.LENGTH_BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length)
                    .array());
            out.write(header);
            byte[] buffer = new byte[BUFFER];
            for (Entry entry : sorted) {
                try (TensorScope scope = TensorScope.open()) {
                    write(out, entry, buffer);
                }
            }
        }
    }

    private static void write(OutputStream out, Entry entry, byte[] buffer) throws IOException {
        Tensor tensor = entry.tensor().get();
        if (tensor.dtype() != entry.dtype() || !Arrays.equals(tensor.shape(), entry.shape())) {
            throw new IllegalStateException("tensor '" + entry.name() + "' was announced as "
                    + Arrays.toString(entry.shape()) + " " + entry.dtype() + ", but is " + tensor);
        }
        Tensor contiguous = tensor.to(Device.CPU).contiguous();
        long total = entry.bytes();
        for (long offset = 0; offset < total; offset += buffer.length) {
            int length = (int) Math.min(buffer.length, total - offset);
            contiguous.readBytes(offset, buffer, length);
            out.write(buffer, 0, length);
        }
    }

    private static byte[] header(List<Entry> sorted, Map<String, String> metadata) throws JsonProcessingException {
        ObjectNode root = Json.object();
        if (!metadata.isEmpty()) {
            ObjectNode node = root.putObject(SafetensorsHeader.METADATA);
            new TreeMap<>(metadata).forEach(node::put);
        }
        long begin = 0;
        for (Entry entry : sorted) {
            ObjectNode node = root.putObject(entry.name());
            node.put("dtype", entry.dtype().safetensorsName());
            ArrayNode shape = node.putArray("shape");
            Arrays.stream(entry.shape()).forEach(shape::add);
            long end = begin + entry.bytes();
            node.putArray("data_offsets").add(begin).add(end);
            begin = end;
        }
        byte[] json = Json.bytes(root);
        byte[] padded = Arrays.copyOf(json, (json.length + 7) / 8 * 8);
        Arrays.fill(padded, json.length, padded.length, " ".getBytes(StandardCharsets.US_ASCII)[0]);
        return padded;
    }
}
