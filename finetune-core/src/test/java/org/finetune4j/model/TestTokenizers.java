package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.junit.jupiter.api.Named;

/** Small complete tokenizers for tests, of this module and of those that build on it. */
public final class TestTokenizers {

    private TestTokenizers() {}

    /** Byte-level BPE as of GPT-2: any text; nothing is added around it; {@code <|endoftext|>} begins and ends. */
    public static Tokenizer gpt2() {
        return load("tiny-gpt2-bpe", """
                {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}""");
    }

    /** BPE with byte fallback as of Llama 2: BOS is added before the text. */
    public static Tokenizer llama2() {
        return load("tiny-llama2-bpe", """
                {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null, "add_bos_token": true}""");
    }

    /** A tokenizer of the resources with this {@code tokenizer_config.json}. */
    public static Tokenizer load(String name, String config) {
        try {
            Path directory = Files.createTempDirectory("tokenizer");
            try {
                copyTo(directory, name);
                Files.writeString(directory.resolve("tokenizer_config.json"), config);
                return Tokenizer.load(directory);
            } finally {
                AtomicFiles.deleteTree(directory);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Copies the {@code tokenizer.json} of the resources into a directory. */
    public static void copyTo(Path directory, String name) throws IOException {
        try (InputStream file = resource(name + "/tokenizer.json")) {
            Files.copy(file, directory.resolve("tokenizer.json"));
        }
    }

    /** Recorded cases of the resources: files of a tokenizer, and what transformers made with them. */
    public static Stream<Named<JsonNode>> recorded(String file) {
        try (InputStream content = resource(file)) {
            return StreamSupport.stream(TestJson.read(content).spliterator(), false)
                    .map(test -> Named.of(test.path("name").textValue(), test));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The tokenizer of a recorded case. */
    public static Tokenizer load(JsonNode recorded, Path directory) throws IOException {
        copyTo(directory, recorded.path("tokenizer").textValue());
        if (recorded.path("normalized").isBoolean()) {
            Path tokens = directory.resolve("tokenizer.json");
            JsonNode root = TestJson.read(tokens);
            for (JsonNode token : root.path("added_tokens")) {
                ((ObjectNode) token).set("normalized", recorded.path("normalized"));
            }
            Files.write(tokens, Json.bytes(root));
        }
        for (Map.Entry<String, JsonNode> file : recorded.path("files").properties()) {
            Files.write(directory.resolve(file.getKey()), Json.bytes(file.getValue()));
        }
        return Tokenizer.load(directory);
    }

    static InputStream resource(String path) {
        return Objects.requireNonNull(TestTokenizers.class.getResourceAsStream("/tokenizer/" + path), path);
    }
}
