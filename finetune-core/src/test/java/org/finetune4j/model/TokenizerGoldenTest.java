package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.TestJson;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every tokenizer of the golden data gives the ids and texts that Hugging Face tokenizers gave. */
class TokenizerGoldenTest {

    @TempDir
    private Path scratch;

    /** A tokenizer's directory and the file with what it must give. */
    record Golden(Path tokenizer, Path expected) {
        @Override
        public String toString() {
            return tokenizer.getFileName().toString();
        }
    }

    /** The tiny ones that are here, and the real ones where a directory with golden data is named. */
    static Stream<Golden> goldens() throws IOException {
        List<Golden> all = new ArrayList<>();
        for (String kind : List.of("gpt2-bpe", "llama2-bpe", "llama3-bpe", "unigram", "wordpiece")) {
            Path directory = Path.of("src", "test", "resources", "tokenizer", "tiny-" + kind);
            all.add(new Golden(directory, directory.resolve("encode.json")));
        }
        String shared = System.getenv("FINETUNE_SHARED");
        if (shared != null) {
            try (Stream<Path> real = Files.list(Path.of(shared, "data", "tokenizers"))) {
                real.sorted()
                        .map(path -> new Golden(
                                path, Path.of(shared, "goldens", "tokenizer", path.getFileName() + ".encode.json")))
                        .filter(golden -> Files.exists(golden.expected()))
                        .forEach(all::add);
            }
        }
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void encodesAndDecodesAsTheReference(Golden golden) throws IOException {
        JsonNode expected = TestJson.parse(Files.readString(golden.expected()));
        // Only tokenizer.json: the reference knows no other file.
        Files.copy(golden.tokenizer().resolve("tokenizer.json"), scratch.resolve("tokenizer.json"));
        // The reference's version decodes special tokens that are normalized (Llama 2's) with a space before them, and
        // does not skip them; transformers and the version here do.
        Set<Integer> decodedOtherwise = addedTokens(golden.tokenizer())
                .filter(token -> token.get("special").booleanValue()
                        && token.get("normalized").booleanValue())
                .map(token -> token.get("id").intValue())
                .collect(Collectors.toSet());
        try (Tokenizer tokenizer = Tokenizer.load(scratch)) {
            if (expected.has("vocab_size_with_added")) {
                assertEquals(expected.get("vocab_size_with_added").intValue(), tokenizer.vocabSize());
            }
            assertFalse(expected.get("rows").isEmpty());
            assertAll(StreamSupport.stream(expected.get("rows").spliterator(), false)
                    .map(row -> () -> {
                        String text = row.get("text").textValue();
                        int[] ids = ids(row.get("ids"));
                        int[] plainIds = ids(row.get("ids_no_special"));
                        assertArrayEquals(ids, tokenizer.encode(text, true), () -> "ids of " + text);
                        assertArrayEquals(plainIds, tokenizer.encode(text, false), () -> "plain ids of " + text);
                        if (Arrays.stream(plainIds).noneMatch(decodedOtherwise::contains)) {
                            assertEquals(row.get("decoded").textValue(), tokenizer.decode(ids, false));
                        }
                        if (decodedOtherwise.isEmpty()) {
                            assertEquals(row.get("decoded_skip_special").textValue(), tokenizer.decode(ids, true));
                        }
                        for (int i = 0; i < plainIds.length; i++) {
                            // The reference's token may hold white space that an added token swallowed.
                            String token = row.get("tokens_no_special").get(i).textValue();
                            if (!decodedOtherwise.contains(plainIds[i])) {
                                assertEquals(
                                        token.strip(),
                                        tokenizer.token(plainIds[i]).strip());
                            }
                        }
                        assertEquals(streamed(tokenizer, ids), tokenizer.decode(ids, false), () -> "streamed " + text);
                    }));
        }
    }

    private static Stream<JsonNode> addedTokens(Path tokenizer) throws IOException {
        JsonNode root = TestJson.read(tokenizer.resolve("tokenizer.json"));
        return StreamSupport.stream(root.get("added_tokens").spliterator(), false);
    }

    private static String streamed(Tokenizer tokenizer, int[] ids) {
        IncrementalDecoder decoder = tokenizer.incrementalDecoder(false);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.push(id));
        }
        return text.append(decoder.finish()).toString();
    }

    private static int[] ids(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::intValue)
                .toArray();
    }
}
