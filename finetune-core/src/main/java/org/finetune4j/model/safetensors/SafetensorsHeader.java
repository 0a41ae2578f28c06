package org.finetune4j.model.safetensors;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;

/**
 * The table of contents of a safetensors file: an 8-byte little-endian length, then JSON. Everything in it is checked
 * against the size of the file, so that no tensor can point outside of it.
 *
 * @param dataStart the byte where the header ends and tensors begin
 * @param tensors by name, in the order of the file
 * @param metadata what {@code __metadata__} says
 */
record SafetensorsHeader(long dataStart, Map<String, TensorInfo> tensors, Map<String, String> metadata) {

    static final String METADATA = "__metadata__";
    static final int LENGTH_BYTES = 8;

    private static final long LONGEST = 100_000_000;
    /**
     * Reads and checks the header.
     *
     * @throws UserErrorException when the file is missing, too short or too long, or says something impossible
     */
    static SafetensorsHeader read(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            if (size < LENGTH_BYTES) {
                throw new UserErrorException(file + ": not a safetensors file: it has " + size + " bytes");
            }
            long length = read(channel, 0, LENGTH_BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .getLong();
            if (length < 2 || length > LONGEST) {
                throw new UserErrorException(
                        file + ": not a safetensors file: its first 8 bytes give a header of " + length + " bytes");
            }
            if (LENGTH_BYTES + length > size) {
                throw new UserErrorException(file + ": truncated: its header needs " + (LENGTH_BYTES + length)
                        + " bytes, the file has " + size);
            }
            byte[] header = read(channel, LENGTH_BYTES, (int) length).array();
            return parse(file, new String(header, StandardCharsets.UTF_8), LENGTH_BYTES + length, size);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
    }

    private static ByteBuffer read(FileChannel channel, long position, int length) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        while (buffer.hasRemaining() && channel.read(buffer, position + buffer.position()) >= 0) {}

        return buffer.flip();
    }

    private static SafetensorsHeader parse(Path file, String text, long dataStart, long fileSize) throws IOException {
        JsonNode root = Json.parse(text, file + ", its header");
        if (!root.isObject()) {
            throw new UserErrorException(file + ": the header is not a JSON object");
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        root.path(METADATA)
                .properties()
                .forEach(entry -> metadata.put(entry.getKey(), entry.getValue().asText()));
        List<TensorInfo> infos = new ArrayList<>();
        root.properties().forEach(entry -> {
            if (!entry.getKey().equals(METADATA)) {
                infos.add(info(file, entry.getKey(), entry.getValue()));
            }
        });
        infos.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
        checkLayout(file, infos, fileSize - dataStart);
        Map<String, TensorInfo> tensors = new LinkedHashMap<>();
        infos.forEach(info -> tensors.put(info.name(), info));
        return new SafetensorsHeader(
                dataStart, Collections.unmodifiableMap(tensors), Collections.unmodifiableMap(metadata));
    }

    private static TensorInfo info(Path file, String name, JsonNode node) {
        JsonNode shapeNode = node.path("shape");
        JsonNode offsets = node.path("data_offsets");
        if (!shapeNode.isArray() || !offsets.isArray() || offsets.size() != 2) {
            throw new UserErrorException(
                    file + ": tensor '" + name + "' needs dtype, shape and two data_offsets, the header has " + node);
        }
        long[] shape = new long[shapeNode.size()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = shapeNode.get(i).asLong(-1);
            if (shape[i] < 0) {
                throw new UserErrorException(file + ": tensor '" + name + "' has the impossible shape " + shapeNode);
            }
        }
        TensorInfo info = new TensorInfo(
                name,
                dtype(file, name, node.path("dtype").asText()),
                shape,
                offsets.get(0).asLong(-1),
                offsets.get(1).asLong(-1));
        checkLength(file, info);
        return info;
    }

    private static DType dtype(Path file, String name, String wanted) {
        for (DType dtype : DType.values()) {
            if (dtype.safetensorsName().equals(wanted)) {
                return dtype;
            }
        }
        throw new UserErrorException(file + ": tensor '" + name + "' has the unknown dtype '" + wanted + "'"
                + Suggestions.didYouMean(
                        wanted,
                        Arrays.stream(DType.values())
                                .map(DType::safetensorsName)
                                .toList()));
    }

    private static void checkLength(Path file, TensorInfo info) {
        long expected;
        try {
            expected = Math.multiplyExact(info.numel(), info.dtype().itemSize());
        } catch (ArithmeticException e) {
            expected = Long.MAX_VALUE;
        }
        if (info.begin() < 0 || info.end() - info.begin() != expected) {
            throw new UserErrorException(file + ": tensor '" + info.name() + "' " + Arrays.toString(info.shape()) + " "
                    + info.dtype() + " needs " + expected + " bytes, its offsets " + info.begin() + " to " + info.end()
                    + " give " + (info.end() - info.begin()));
        }
    }

    /** Tensors fill the file from the end of the header to its last byte, without overlaps or holes. */
    private static void checkLayout(Path file, List<TensorInfo> sorted, long available) {
        long end = 0;
        for (TensorInfo info : sorted) {
            if (info.begin() != end) {
                throw new UserErrorException(file + ": tensor '" + info.name() + "' begins at byte " + info.begin()
                        + " of the data, expected " + end);
            }
            end = info.end();
            if (end > available) {
                throw new UserErrorException(file + ": truncated: tensor '" + info.name() + "' ends at byte " + end
                        + " of the data, the file has " + available);
            }
        }
        if (end != available) {
            throw new UserErrorException(
                    file + ": the header describes " + end + " bytes of data, the file has " + available);
        }
    }
}
