package org.finetune4j.model.gguf;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;

/** Recognises the rules by which a byte-level tokenizer splits text, which llama.cpp knows by name only. */
final class GgufPreTokenizer {

    private static final String WORDS_AND = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
    private static final String AND_THE_REST = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** The steps of a pre-tokenizer, as {@link #steps} spells them, and llama.cpp's name. */
    private static final Map<List<String>, String> NAMES = Map.of(
            List.of("ByteLevel true"), "gpt-2",
            List.of("Digits true", "ByteLevel true"), "smollm",
            List.of("Split " + WORDS_AND + "\\p{N}{1,3}" + AND_THE_REST, "ByteLevel false"), "llama-bpe",
            List.of("Split " + WORDS_AND + "\\p{N}" + AND_THE_REST, "ByteLevel false"), "qwen2");

    private GgufPreTokenizer() {}

    /** @throws UserErrorException when llama.cpp has no name for the rules */
    static String name(JsonNode tokenizer, Path directory) {
        List<String> steps = steps(tokenizer.path("pre_tokenizer"));
        String name = NAMES.get(steps);
        if (name == null) {
            throw new UserErrorException(directory.resolve("tokenizer.json")
                    + ": export of this pre_tokenizer to GGUF is not implemented: " + steps);
        }
        return name;
    }

    private static List<String> steps(JsonNode preTokenizer) {
        if (preTokenizer.path("type").asText().equals("Sequence")) {
            List<String> steps = new ArrayList<>();
            preTokenizer.path("pretokenizers").forEach(step -> steps.add(step(step)));
            return steps;
        }
        return List.of(step(preTokenizer));
    }

    private static String step(JsonNode step) {
        String type = step.path("type").asText("none");
        return switch (type) {
            case "ByteLevel" ->
                step.path("add_prefix_space").asBoolean(true)
                        ? "ByteLevel with add_prefix_space"
                        : "ByteLevel " + step.path("use_regex").asBoolean(true);
            case "Digits" -> "Digits " + step.path("individual_digits").asBoolean(false);
            case "Split" ->
                step.path("behavior").asText().equals("Isolated")
                                && !step.path("invert").asBoolean(false)
                        ? "Split " + step.path("pattern").path("Regex").asText()
                        : "Split " + step.path("behavior").asText();
            default -> type;
        };
    }
}
