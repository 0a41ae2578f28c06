package org.finetune4j.train.report;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A reader of TensorBoard event files that shares no code with the writer and checks every CRC. */
final class EventFile {

    record Event(
            double wallTime,
            long step,
            String fileVersion,
            Map<String, Float> scalars,
            Map<String, String> texts,
            long sessionStatus) {}

    /** A protocol buffer message: the values of each field, numbers as Long (raw bits), the rest as byte[]. */
    private static final class Message extends LinkedHashMap<Integer, List<Object>> {
        private static final long serialVersionUID = 1L;

        long number(int field) {
            return containsKey(field) ? (Long) get(field).get(0) : 0;
        }

        String string(int field) {
            return containsKey(field) ? new String((byte[]) get(field).get(0), StandardCharsets.UTF_8) : "";
        }

        List<Message> messages(int field) {
            return getOrDefault(field, List.of()).stream()
                    .map(bytes -> parse((byte[]) bytes))
                    .toList();
        }
    }

    private EventFile() {}

    static List<Path> in(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<Event> read(Path file) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            List<Event> events = new ArrayList<>();
            while (bytes.hasRemaining()) {
                byte[] length = take(bytes, 8);
                checkCrc(length, bytes.getInt());
                byte[] data = take(bytes, (int)
                        ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong());
                checkCrc(data, bytes.getInt());
                events.add(event(parse(data)));
            }
            return events;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** CRC-32C (Castagnoli), bit by bit, reflected, polynomial 0x1EDC6F41. */
    static int crc32c(byte[] data) {
        int crc = -1;
        for (byte b : data) {
            crc ^= b & 0xFF;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) == 0 ? crc >>> 1 : crc >>> 1 ^ 0x82F63B78;
            }
        }
        return ~crc;
    }

    static int maskedCrc32c(byte[] data) {
        int crc = crc32c(data);
        return (crc >>> 15 | crc << 17) + 0xa282ead8;
    }

    private static void checkCrc(byte[] data, int stored) {
        if (maskedCrc32c(data) != stored) {
            throw new IllegalStateException("wrong CRC");
        }
    }

    private static Event event(Message message) {
        Map<String, Float> scalars = new LinkedHashMap<>();
        Map<String, String> texts = new LinkedHashMap<>();
        for (Message summary : message.messages(5)) {
            for (Message value : summary.messages(1)) {
                if (value.containsKey(2)) {
                    scalars.put(value.string(1), Float.intBitsToFloat((int) value.number(2)));
                } else {
                    texts.put(value.string(1), text(value));
                }
            }
        }
        long status = message.messages(7).stream()
                .mapToLong(session -> session.number(1))
                .findFirst()
                .orElse(0);
        return new Event(
                Double.longBitsToDouble(message.number(1)),
                message.number(2),
                message.string(3),
                scalars,
                texts,
                status);
    }

    private static String text(Message value) {
        String plugin = value.messages(9).get(0).messages(1).get(0).string(1);
        Message tensor = value.messages(8).get(0);
        long elements = tensor.messages(2).get(0).messages(2).get(0).number(1);
        if (!plugin.equals("text") || tensor.number(1) != 7 || elements != 1) {
            throw new IllegalStateException("not a text summary");
        }
        return tensor.string(8);
    }

    private static Message parse(byte[] data) {
        ByteBuffer bytes = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        Message message = new Message();
        while (bytes.hasRemaining()) {
            long key = varint(bytes);
            Object value =
                    switch ((int) (key & 7)) {
                        case 0 -> varint(bytes);
                        case 1 -> bytes.getLong();
                        case 2 -> take(bytes, (int) varint(bytes));
                        case 5 -> (long) bytes.getInt();
                        default -> throw new IllegalStateException("unknown wire type");
                    };
            message.computeIfAbsent((int) (key >>> 3), field -> new ArrayList<>())
                    .add(value);
        }
        return message;
    }

    private static long varint(ByteBuffer bytes) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte b = bytes.get();
            value |= (b & 0x7FL) << shift;
            if (b >= 0) {
                return value;
            }
        }
    }

    private static byte[] take(ByteBuffer bytes, int count) {
        byte[] taken = new byte[count];
        bytes.get(taken);
        return taken;
    }
}
