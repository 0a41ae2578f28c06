package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {

    @TempDir
    private Path directory;

    @Test
    void specialTokensComeFromTheTokenizerConfigurationByTextOrObject() {
        try (Tokenizer tokenizer = TestTokenizers.llama2()) {
            assertEquals(OptionalInt.of(1), tokenizer.bosTokenId());
            assertEquals(OptionalInt.of(2), tokenizer.eosTokenId());
            assertEquals(OptionalInt.empty(), tokenizer.padTokenId());
            assertEquals("</s>", tokenizer.token(2));
            assertEquals(600, tokenizer.vocabSize());
        }
    }

    @Test
    void specialTokensThatTheTokenizerFilesDoNotNameComeFromTheModelConfiguration() throws IOException {
        TestTokenizers.copyTo(directory, "tiny-llama2-bpe");
        write("special_tokens_map.json", "{\"bos_token\": \"<s>\"}");
        write("config.json", "{\"bos_token_id\": 7, \"eos_token_id\": [2, 5], \"pad_token_id\": -1}");
        write("generation_config.json", "{\"eos_token_id\": 9, \"pad_token_id\": 3}");
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            assertEquals(OptionalInt.of(1), tokenizer.bosTokenId());
            assertEquals(OptionalInt.of(2), tokenizer.eosTokenId());
            assertEquals(OptionalInt.of(3), tokenizer.padTokenId(), "-1 stands for none");
        }
    }

    @Test
    void withoutAnyOtherFileThereAreNoSpecialTokenIds() throws IOException {
        TestTokenizers.copyTo(directory, "tiny-gpt2-bpe");
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            assertEquals(OptionalInt.empty(), tokenizer.bosTokenId());
            assertEquals(OptionalInt.empty(), tokenizer.eosTokenId());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "tiny-llama2-bpe, true, false, 1, ''",
        "tiny-llama2-bpe, false, false, '', ''",
        "tiny-llama2-bpe, true, true, 1, 2",
        "tiny-unigram, false, false, '', ''",
    })
    void whatIsAddedAroundTextFollowsTheConfigurationWhereItSays(
            String name, boolean addBos, boolean addEos, String leading, String trailing) {
        String form = """
                {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": %s, "add_eos_token": %s}""";
        String config = form.formatted(addBos, addEos);
        try (Tokenizer tokenizer = TestTokenizers.load(name, config)) {
            assertArrayEquals(ints(leading), tokenizer.leadingSpecialTokens());
            assertArrayEquals(ints(trailing), tokenizer.trailingSpecialTokens());
            int[] expected = IntStream.of(ints(leading)).toArray();
            int[] plain = tokenizer.encode("hi", false);
            int[] all = tokenizer.encode("hi", true);
            assertArrayEquals(expected, Arrays.copyOf(all, expected.length));
            assertArrayEquals(plain, Arrays.copyOfRange(all, expected.length, expected.length + plain.length));
            assertEquals(expected.length + plain.length + ints(trailing).length, all.length);
        }
    }

    @Test
    void truncationAndPaddingInTheFileAreNotApplied() throws IOException {
        TestTokenizers.copyTo(directory, "tiny-gpt2-bpe");
        String truncation = """
                {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}""";
        String padding = """
                {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, \
                "pad_type_id": 0, "pad_token": "<|endoftext|>"}""";
        write(
                "tokenizer.json",
                Files.readString(directory.resolve("tokenizer.json"))
                        .replace("\"truncation\": null", "\"truncation\": " + truncation)
                        .replace("\"padding\": null", "\"padding\": " + padding));
        assertTrue(Files.readString(directory.resolve("tokenizer.json")).contains("\"max_length\": 5"));
        try (Tokenizer tokenizer = Tokenizer.load(directory);
                Tokenizer plain = TestTokenizers.gpt2()) {
            String longText = "word ".repeat(5000);
            assertArrayEquals(plain.encode(longText, true), tokenizer.encode(longText, true));
            assertArrayEquals(plain.encode("x", true), tokenizer.encode("x", true));
        }
    }

    @Test
    void textThatIsNotValidUnicodeIsEncodedAsReplacementCharacters() {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            assertEquals("😀\0\uFFFDb", tokenizer.decode(tokenizer.encode("😀\0\uD800b", false), false));
            assertEquals("\uFFFD\uFFFD", tokenizer.decode(tokenizer.encode("\uDC00\uD800", false), false));
            assertEquals("a\0b", tokenizer.decode(tokenizer.encode("a\0b", false), false));
            assertEquals("😀", tokenizer.decode(tokenizer.encode("😀", false), false));
        }
    }

    @Test
    void idsWithoutATokenDecodeToNothing() {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            assertEquals("!", tokenizer.decode(new int[] {1, 480, -1, Integer.MAX_VALUE}, false));
            assertThrows(IllegalArgumentException.class, () -> tokenizer.token(480));
        }
    }

    @Test
    void everyUseAfterCloseIsRefused() {
        Tokenizer tokenizer = TestTokenizers.gpt2();
        IncrementalDecoder decoder = tokenizer.incrementalDecoder(true);
        tokenizer.close();
        tokenizer.close();
        assertThrows(IllegalStateException.class, () -> tokenizer.encode("x", true));
        assertThrows(IllegalStateException.class, () -> tokenizer.decode(new int[] {1}, true));
        assertThrows(IllegalStateException.class, () -> tokenizer.token(1));
        assertThrows(IllegalStateException.class, tokenizer::vocabSize);
        assertThrows(IllegalStateException.class, () -> decoder.push(1));
    }

    @Test
    void closingWhileOtherThreadsEncodeEndsThemWithAnException() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            for (int round = 0; round < 20; round++) {
                Tokenizer tokenizer = TestTokenizers.gpt2();
                int[] expected = tokenizer.encode("some words to encode", true);
                List<Future<Boolean>> users = IntStream.range(0, 4)
                        .mapToObj(i -> threads.submit(() -> {
                            try {
                                while (Arrays.equals(expected, tokenizer.encode("some words to encode", true))) {
                                    // Until it is closed.
                                }
                                return false;
                            } catch (IllegalStateException e) {
                                return true;
                            }
                        }))
                        .toList();
                tokenizer.close();
                for (Future<Boolean> user : users) {
                    assertTrue(user.get());
                }
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void djlIsToldNotToUseTheNetwork() {
        TestTokenizers.gpt2().close();
        assertEquals("true", setting("OPT_OUT_TRACKING"));
        assertEquals("cpu", setting("RUST_FLAVOR"));
    }

    @Test
    void filesAreCopiedWhereTheyExist() throws IOException {
        TestTokenizers.copyTo(directory, "tiny-gpt2-bpe");
        write("tokenizer_config.json", "{}");
        write("chat_template.jinja", "{{ messages }}");
        write("unrelated.txt", "");
        Path target = directory.resolve("saved");
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            tokenizer.copyFilesTo(target);
            tokenizer.copyFilesTo(directory);
        }
        try (var files = Files.list(target)) {
            assertEquals(
                    List.of("chat_template.jinja", "tokenizer.json", "tokenizer_config.json"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
        assertEquals("{{ messages }}", Files.readString(target.resolve("chat_template.jinja")));
    }

    @Test
    void aCheckpointInAnOlderFormatIsRefusedWithTheRemedy() throws IOException {
        write("tokenizer.model", "");
        String message = refusal();
        assertTrue(message.contains("no tokenizer.json in " + directory), message);
        assertTrue(message.contains("save_pretrained"), message);
    }

    @Test
    void aMissingTokenizerIsRefused() {
        assertEquals("no tokenizer.json in " + directory, refusal());
        Path missing = directory.resolve("missing");
        assertEquals(
                "no tokenizer: " + missing + " is not a directory",
                assertThrows(UserErrorException.class, () -> Tokenizer.load(missing))
                        .getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "null",
                "[]",
                "\"text\"",
                "{}",
                "{} {}",
                "\0\0\0\0",
                "{\"model\": 5}",
                "{\"model\": {\"vocab\": {\"a\": \"b\"}}}",
                "{\"model\": {\"vocab\": {\"a\": 99999999999}}}",
                "{\"model\": {\"type\": \"Unigram\", \"vocab\": [5]}}",
                "{\"model\": {\"type\": \"NoSuchModel\", \"vocab\": {\"a\": 0}}}",
                "{\"added_tokens\": [5], \"model\": {\"vocab\": {}}}",
                "{\"added_tokens\": [{}], \"model\": {\"vocab\": {}}}",
                "version https://git-lfs.github.com/spec/v1",
            })
    void aMalformedTokenizerIsRefusedInOneLine(String content) throws IOException {
        write("tokenizer.json", content);
        String message = refusal();
        assertTrue(message.startsWith(directory.resolve("tokenizer.json") + ": "), message);
    }

    @Test
    void aNestingBombIsRefusedInOneLine() throws IOException {
        write("tokenizer.json", "{\"model\": " + "[".repeat(100_000));
        refusal();
        write("tokenizer.json", "{\"decoder\": " + "{\"decoders\": ".repeat(100_000));
        refusal();
    }

    @Test
    void aMalformedFileBesideTheTokenizerIsNamed() throws IOException {
        TestTokenizers.copyTo(directory, "tiny-gpt2-bpe");
        write("tokenizer_config.json", "{\"eos_token\": ");
        String message = refusal();
        assertTrue(message.startsWith(directory.resolve("tokenizer_config.json") + ": not valid JSON"), message);
        assertTrue(message.contains("line 1"), message);
    }

    private String refusal() {
        String message = assertThrows(UserErrorException.class, () -> Tokenizer.load(directory))
                .getMessage();
        assertFalse(message.contains("\n"), message);
        return message;
    }

    private static String setting(String name) {
        return System.getenv(name) == null ? System.getProperty(name) : System.getenv(name);
    }

    private static int[] ints(String list) {
        return Arrays.stream(list.split(","))
                .filter(text -> !text.isBlank())
                .mapToInt(Integer::parseInt)
                .toArray();
    }

    private void write(String name, String content) throws IOException {
        Files.writeString(directory.resolve(name), content);
    }
}
