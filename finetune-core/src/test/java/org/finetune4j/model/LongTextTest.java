package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Texts of millions of characters have their tokens; where the heap has no room for them, an error says so. */
class LongTextTest {

    private static final String WORDS = "Once upon a time. ";

    @TempDir
    Path directory;

    @Test
    void manyTokensAreThoseOfManyShortTexts() {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            int[] once = tokenizer.encode(WORDS, false);
            int times = 20_000;
            int[] all = tokenizer.encode(WORDS.repeat(times), false);
            assertEquals(WORDS.repeat(times), tokenizer.decode(all, false));
            int same = once.length - 1; // the last token is a space, which joins the next word
            assertArrayEquals(Arrays.copyOf(once, same), Arrays.copyOf(all, same));
            assertArrayEquals(
                    all, tokenizer.encodeWithOffsets(WORDS.repeat(times)).ids());
        }
    }

    @Test
    void aHeapWithoutRoomIsAnErrorAndNotTheEndOfTheProcess() throws IOException, InterruptedException {
        Path log = directory.resolve("log");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx48m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        SmallHeap.class.getName())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        assertTrue(process.waitFor(120, TimeUnit.SECONDS));
        List<String> lines = Files.readAllLines(log);
        assertEquals(0, process.exitValue(), lines::toString);
        assertTrue(lines.contains("ids: no room"), lines::toString);
        assertTrue(lines.contains("offsets: no room"), lines::toString);
    }

    /** Asks for more tokens than there is room for, and then for a few. */
    static final class SmallHeap {

        private SmallHeap() {}

        public static void main(String[] args) {
            String text = WORDS.repeat(5_000_000 / WORDS.length());
            try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
                try {
                    System.out.println("ids: " + tokenizer.encode(text, false).length);
                } catch (OutOfMemoryError e) {
                    System.out.println("ids: no room");
                }
                try {
                    System.out.println(
                            "offsets: " + tokenizer.encodeWithOffsets(text).ids().length);
                } catch (OutOfMemoryError e) {
                    System.out.println("offsets: no room");
                }
                if (!tokenizer.decode(tokenizer.encode(WORDS, false), false).equals(WORDS)) {
                    throw new AssertionError("a short text has its tokens");
                }
            }
        }
    }
}
