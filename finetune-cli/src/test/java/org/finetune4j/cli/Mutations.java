package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ContainerNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.finetune4j.TestJson;

/** Makes hostile files from good ones. The same random numbers give the same file. */
final class Mutations {

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private static final List<JsonNode> VALUES = List.of(
            NODES.nullNode(),
            NODES.booleanNode(true),
            NODES.booleanNode(false),
            NODES.numberNode(0),
            NODES.numberNode(-1),
            NODES.numberNode(1),
            NODES.numberNode(3),
            NODES.numberNode(100_000),
            NODES.numberNode(1_000_000_000),
            NODES.numberNode(Integer.MAX_VALUE),
            NODES.numberNode(Integer.MIN_VALUE),
            NODES.numberNode(1L << 32),
            NODES.numberNode(Long.MAX_VALUE),
            NODES.numberNode(BigInteger.TEN.pow(400)),
            NODES.numberNode(new BigDecimal("1e999999999")),
            NODES.numberNode(1e308),
            NODES.numberNode(-1e308),
            NODES.numberNode(5e-324),
            NODES.numberNode(0.5),
            NODES.textNode(""),
            NODES.textNode("1e9"),
            NODES.textNode("nan"),
            NODES.textNode("inf"),
            NODES.textNode("\0"),
            NODES.textNode("a\nb\r\u001b[31m\u2028"),
            NODES.textNode("../../../../etc/passwd"),
            NODES.textNode("/dev/zero"),
            NODES.textNode("[["),
            NODES.textNode("(?:(?:[\\w.]+)*)*$!"),
            NODES.textNode("(?=(a?)*)\\1"),
            NODES.textNode("x".repeat(100_000)),
            NODES.textNode("{{ 'a' * 1000000000 }}"),
            NODES.arrayNode(),
            NODES.objectNode(),
            NODES.arrayNode().add(NODES.nullNode()),
            NODES.arrayNode().add(1_000_000_000).add("x").add(-1),
            NODES.objectNode().putNull(""),
            deep(200),
            long1000());

    private static final List<String> FRAGMENTS = List.of(
            "\0",
            "\u001b[2J",
            "{",
            "}",
            "[[[[",
            "null",
            "1e999",
            "-1",
            "999999999999999999999",
            ": ",
            "- ",
            "\n",
            "\t",
            "\"",
            "'",
            "\\",
            "&a [*a, *a]",
            "!!python/object:os.system {}",
            "<<: *b",
            "{{ 'a' * 1000000000 }}",
            "{{ 9**9999**9999 }}",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
            "{{ '%1000000000d' % 1 }}",
            "{{ messages | tojson(indent=1000000000) }}",
            "{{ 'x'.replace('', 'y' * 100000).replace('y', 'z' * 100000) }}",
            "{{ messages[0].nothing.at.all }}",
            "{% endif %}",
            "{%",
            "{# ",
            "\ufeff",
            "\u202e",
            "x".repeat(100_000));

    private final Random random;

    Mutations(Random random) {
        this.random = random;
    }

    private static JsonNode deep(int depth) {
        JsonNode node = NODES.numberNode(1);
        for (int i = 0; i < depth; i++) {
            node = i % 2 == 0 ? NODES.arrayNode().add(node) : NODES.objectNode().set("a", node);
        }
        return node;
    }

    private static JsonNode long1000() {
        ArrayNode list = NODES.arrayNode();
        for (int i = 0; i < 1000; i++) {
            list.add(i);
        }
        return list;
    }

    private <T> T any(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }

    /** Changes the values and the names of a JSON document, and now and then its bytes. */
    byte[] json(byte[] content) {
        if (random.nextInt(6) == 0) {
            return random.nextInt(4) == 0
                    ? bytes(any(VALUES).toString().getBytes(StandardCharsets.UTF_8))
                    : bytes(content);
        }
        return changed(parse(content));
    }

    private byte[] changed(JsonNode root) {
        for (int i = random.nextInt(3); i >= 0; i--) {
            List<ContainerNode<?>> places = new ArrayList<>();
            collect(root, places);
            if (places.isEmpty()) {
                break;
            }
            // Large lists of words must not hide the few keys that mean something.
            change(places.get(random.nextInt(Math.min(places.size(), random.nextBoolean() ? 4 : places.size()))));
        }
        return root.toString().getBytes(StandardCharsets.UTF_8);
    }

    private void change(ContainerNode<?> place) {
        if (place instanceof ObjectNode object) {
            List<String> names = new ArrayList<>();
            object.fieldNames().forEachRemaining(names::add);
            String name = names.isEmpty() ? "x" : any(names);
            switch (random.nextInt(8)) {
                case 0 -> object.remove(name);
                case 1 -> object.set(name + "x", object.remove(name));
                case 2 -> object.set(name, NODES.arrayNode().add(object.get(name)));
                default -> object.set(name, any(VALUES).deepCopy());
            }
        } else if (place instanceof ArrayNode list) {
            int at = random.nextInt(list.size() + 1);
            switch (random.nextInt(4)) {
                case 0 -> list.removeAll();
                case 1 -> list.insert(at, any(VALUES).deepCopy());
                default -> {
                    if (at < list.size()) {
                        list.set(at, any(VALUES).deepCopy());
                    }
                }
            }
        }
    }

    private static void collect(JsonNode node, List<ContainerNode<?>> places) {
        if (node instanceof ContainerNode<?> container && places.size() < 5000) {
            places.add(container);
            node.forEach(child -> collect(child, places));
        }
    }

    /** Changes the header of a safetensors file, its length or its data. */
    byte[] safetensors(byte[] content) {
        if (random.nextInt(6) == 0) {
            return bytes(content);
        }
        int length =
                (int) ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).getLong();
        byte[] header = changed(parse(Arrays.copyOfRange(content, 8, 8 + length)));
        long said = random.nextInt(6) == 0 ? any(List.of(-1L, 0L, 1L, 99_999_999L, Long.MAX_VALUE)) : header.length;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(said)
                .array());
        out.writeBytes(header);
        out.write(content, 8 + length, content.length - 8 - length);
        return out.toByteArray();
    }

    /** Changes records, one JSON document a line. */
    byte[] lines(byte[] content) {
        List<String> lines = new ArrayList<>(
                new String(content, StandardCharsets.UTF_8).lines().toList());
        int at = random.nextInt(lines.size());
        byte[] line = lines.get(at).getBytes(StandardCharsets.UTF_8);
        lines.set(at, new String(random.nextInt(3) == 0 ? text(line) : json(line), StandardCharsets.ISO_8859_1));
        return String.join("\n", lines).getBytes(StandardCharsets.ISO_8859_1);
    }

    /** Changes {@code key: value} lines. */
    byte[] yaml(byte[] content) {
        if (random.nextInt(4) == 0) {
            return text(content);
        }
        List<String> lines = new ArrayList<>(
                new String(content, StandardCharsets.UTF_8).lines().toList());
        for (int i = random.nextInt(3); i >= 0; i--) {
            int at = random.nextInt(lines.size());
            String key = lines.get(at).split(":", 2)[0];
            lines.set(at, key + ": " + any(VALUES));
        }
        return String.join("\n", lines).getBytes(StandardCharsets.UTF_8);
    }

    /** Puts fragments into a text that somebody parses. */
    byte[] text(byte[] content) {
        if (random.nextInt(6) == 0) {
            return bytes(content);
        }
        StringBuilder text = new StringBuilder(new String(content, StandardCharsets.UTF_8));
        for (int i = random.nextInt(3); i >= 0; i--) {
            int at = random.nextInt(text.length() + 1);
            if (random.nextInt(4) == 0) {
                text.delete(at, Math.min(text.length(), at + random.nextInt(40)));
            } else {
                text.insert(at, any(FRAGMENTS));
            }
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** Cuts, repeats and overwrites bytes. */
    byte[] bytes(byte[] content) {
        switch (random.nextInt(4)) {
            case 0:
                return Arrays.copyOf(content, random.nextInt(content.length + 1));
            case 1:
                return Arrays.copyOf(content, content.length + 1 + random.nextInt(100));
            default:
                byte[] changed = content.clone();
                for (int i = random.nextInt(8); i >= 0 && changed.length > 0; i--) {
                    changed[random.nextInt(Math.min(changed.length, 4096))] = (byte) random.nextInt(256);
                }
                return changed;
        }
    }

    /** Every hostile value in the place of every value of a JSON object or of {@code key: value} lines. */
    static List<byte[]> each(byte[] content) {
        String text = new String(content, StandardCharsets.UTF_8);
        List<byte[]> all = new ArrayList<>();
        if (text.startsWith("{") && text.strip().lines().count() != 3) {
            parse(content)
                    .fieldNames()
                    .forEachRemaining(name -> VALUES.forEach(value -> {
                        ObjectNode changed = (ObjectNode) parse(content);
                        changed.set(name, value);
                        all.add(changed.toString().getBytes(StandardCharsets.UTF_8));
                    }));
        } else {
            List<String> lines = text.lines().toList();
            for (int i = 0; i < lines.size(); i++) {
                for (JsonNode value : VALUES) {
                    List<String> changed = new ArrayList<>(lines);
                    changed.set(i, lines.get(i).split(":", 2)[0] + ": " + value);
                    all.add(String.join("\n", changed).getBytes(StandardCharsets.UTF_8));
                }
            }
        }
        return all;
    }

    private static JsonNode parse(byte[] content) {
        return TestJson.parse(new String(content, StandardCharsets.UTF_8)); // only good files are changed
    }
}
