package org.finetune4j.cli.quickstart.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.cli.quickstart.data.CorpusGenerator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BytePairTrainerTest {

    private static final List<String> SPECIAL = List.of("<|endoftext|>", "<|pad|>");

    @TempDir
    static Path directory;

    private static BytePairTokenizer trained;
    private static HuggingFaceTokenizer loaded;

    @BeforeAll
    static void train() throws IOException {
        trained = BytePairTrainer.train(CorpusGenerator.documents(1).limit(500), 900, SPECIAL);
        trained.save(directory, "<|endoftext|>", "<|pad|>", 512);
        loaded = HuggingFaceTokenizer.newInstance(directory.resolve("tokenizer.json"));
    }

    @AfterAll
    static void close() {
        loaded.close();
    }

    @Test
    void theSameTextsGiveTheSameTokenizer() {
        assertEquals(trained, BytePairTrainer.train(CorpusGenerator.documents(1).limit(500), 900, SPECIAL));
    }

    @Test
    void idsAreSpecialTokensThenBytesThenMergesAndFillTheVocabulary() {
        assertEquals(900, trained.vocabulary().size());
        assertEquals(900 - 256 - 2, trained.merges().size());
        List<String> tokens = List.copyOf(trained.vocabulary().keySet());
        assertEquals(SPECIAL, tokens.subList(0, 2));
        assertEquals("!", tokens.get(2));
        assertEquals(String.join("", trained.merges().get(0)), tokens.get(258));
        for (int id = 0; id < tokens.size(); id++) {
            assertEquals(id, trained.vocabulary().get(tokens.get(id)));
        }
    }

    @Test
    void theMostFrequentPairIsMergedFirstAndTiesGoToTheOneThatSortsFirst() {
        BytePairTokenizer tokenizer = BytePairTrainer.train(Stream.of("xyxy xyxy cdcd abab"), 256 + 4, List.of());
        assertEquals(
                List.of(List.of("x", "y"), List.of("a", "b"), List.of("c", "d")),
                tokenizer.merges().subList(0, 3));
    }

    @Test
    void mergesNeverCrossWords() {
        BytePairTokenizer tokenizer = BytePairTrainer.train(Stream.of("a1 a1 a1 a1\n"), 300, List.of());
        assertTrue(tokenizer.vocabulary().size() < 300, "nothing to merge is left after the words themselves");
        assertTrue(tokenizer.vocabulary().keySet().stream().noneMatch(token -> token.contains("a1")));
    }

    @Test
    void everyTextSurvivesEncodingAndDecoding() {
        Random random = new Random(7);
        for (int i = 0; i < 200; i++) {
            String text = randomText(random);
            long[] ids = loaded.encode(text).getIds();
            assertEquals(text, loaded.decode(ids), () -> "ids " + Arrays.toString(ids));
        }
    }

    @Test
    void theLoadedTokenizerGivesTheIdsOfAnIndependentMerge() {
        Random random = new Random(8);
        Stream.concat(
                        CorpusGenerator.documents(99).limit(100),
                        Stream.generate(() -> randomText(random)).limit(100))
                .forEach(text ->
                        assertArrayEquals(merge(text), loaded.encode(text).getIds(), text));
    }

    @Test
    void specialTokensAreNeverSplitAndNothingIsAddedAround() {
        assertArrayEquals(
                new long[] {0, 1, 0},
                loaded.encode("<|endoftext|><|pad|><|endoftext|>").getIds());
        assertEquals("", loaded.decode(new long[] {0, 1, 0}, true));
    }

    @Test
    void theConfigNamesTheSpecialTokens() throws IOException {
        String config = Files.readString(directory.resolve("tokenizer_config.json"));
        assertTrue(config.contains("\"eos_token\" : \"<|endoftext|>\""), config);
        assertTrue(config.contains("\"pad_token\" : \"<|pad|>\""), config);
        assertTrue(config.contains("\"model_max_length\" : 512"), config);
    }

    @Test
    void aVocabularyTooSmallForTheBytesIsRefused() {
        IllegalArgumentException refusal = assertThrows(
                IllegalArgumentException.class, () -> BytePairTrainer.train(Stream.of("text"), 200, SPECIAL));
        assertTrue(refusal.getMessage().contains("258"), refusal.getMessage());
    }

    @Test
    void anUnknownSpecialTokenIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> trained.save(directory, "</s>", "<|pad|>", 512));
    }

    /** Words, numbers, line breaks, signs and characters of every UTF-8 length. */
    private static String randomText(Random random) {
        List<String> pieces = List.of(
                "Mira", " kite", "'s", " ", "  ", "\n", "\t", "42", "{\"", "?!", "é", "ß", "中文", "🙂", "a\u0301",
                "xyz");
        StringBuilder text = new StringBuilder();
        int length = 1 + random.nextInt(12);
        for (int i = 0; i < length; i++) {
            text.append(pieces.get(random.nextInt(pieces.size())));
        }
        return text.toString();
    }

    /** The textbook algorithm: in each word, apply the earliest merge there is until there is none. */
    private static long[] merge(String text) {
        Matcher words = Pattern.compile(
                        "'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                        Pattern.UNICODE_CHARACTER_CLASS)
                .matcher(text);
        List<Long> ids = new ArrayList<>();
        while (words.find()) {
            List<String> tokens = new ArrayList<>();
            for (byte b : words.group().getBytes(StandardCharsets.UTF_8)) {
                tokens.add(new String(new byte[] {b}, StandardCharsets.ISO_8859_1));
            }
            tokens.replaceAll(BytePairTrainerTest::printable);
            int rank = 0;
            while (rank < trained.merges().size()) {
                List<String> merge = trained.merges().get(rank);
                int at = Collections.indexOfSubList(tokens, merge);
                if (at < 0) {
                    rank++;
                } else {
                    tokens.set(at, merge.get(0) + merge.get(1));
                    tokens.remove(at + 1);
                    rank = 0;
                }
            }
            tokens.forEach(token -> ids.add((long) trained.vocabulary().get(token)));
        }
        return ids.stream().mapToLong(Long::longValue).toArray();
    }

    /** GPT-2's table written out by its ranges. */
    private static String printable(String latin1) {
        int b = latin1.charAt(0);
        int shown = b <= 32 ? 256 + b : b < 127 ? b : b <= 160 ? 256 + 33 + b - 127 : b == 173 ? 256 + 67 : b;
        return String.valueOf((char) shown);
    }
}
