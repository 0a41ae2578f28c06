package org.finetune4j.cli.quickstart.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;

/**
 * GPT-2's way to write any byte as one printable character: printable Latin-1 characters stand for themselves, the
 * other 68 bytes for the characters from U+0100 on. A space becomes {@code Ġ}, a line break {@code Ċ}.
 */
final class ByteAlphabet {

    private static final char[] CHARACTER_OF_BYTE = new char[256];

    static {
        char next = 256;
        for (int b = 0; b < 256; b++) {
            CHARACTER_OF_BYTE[b] = isPrintable(b) ? (char) b : next++;
        }
    }

    private ByteAlphabet() {}

    /** The UTF-8 bytes of {@code text}, a character each. */
    static String spell(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        StringBuilder spelled = new StringBuilder(bytes.length);
        for (byte b : bytes) {
            spelled.append(CHARACTER_OF_BYTE[b & 0xFF]);
        }
        return spelled.toString();
    }

    /** All 256 characters in the order of their code points, which is the order that Hugging Face gives ids in. */
    static List<String> sorted() {
        return IntStream.range(0, 256)
                .mapToObj(b -> CHARACTER_OF_BYTE[b])
                .sorted()
                .map(String::valueOf)
                .toList();
    }

    private static boolean isPrintable(int b) {
        return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    }
}
