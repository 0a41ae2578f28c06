package org.finetune4j.model.gguf;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;

/** Recognises the rules by which a tokenizer prepares and splits text, which llama.cpp knows by name only. */
final class GgufPreTokenizer {

    private static final String SPACE = "\u2581";

    private static final String SUFFIXES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private static final String WORDS_AND = SUFFIXES + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
    private static final String AND_THE_REST = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** Words that begin where small letters are followed by large ones, as GPT-4o's do. */
    private static final String CASED =
            "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
                    + SUFFIXES
                    + "?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
                    + SUFFIXES
                    + "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** The splitting rule with which llama.cpp takes a word that is a token as it is, whatever the merges make of it. */
    private static final String IGNORES_MERGES = "llama-bpe";

    /** The same rule where merges decide. */
    private static final String FOLLOWS_MERGES = "dbrx";

    /** The steps of a pre-tokenizer, as {@link #steps} spells them, and llama.cpp's name. */
    private static final Map<List<String>, String> NAMES = Map.of(
            List.of("ByteLevel true"), "gpt-2",
            List.of("Digits true", "ByteLevel true"), "smollm",
            List.of("Split " + WORDS_AND + "\\p{N}{1,3}" + AND_THE_REST, "ByteLevel false"), "llama-bpe",
            List.of("Split " + WORDS_AND + "\\p{N}" + AND_THE_REST, "ByteLevel false"), "qwen2",
            List.of("Split " + CASED, "ByteLevel false"), "gpt-4o");

    private GgufPreTokenizer() {}

    /** @throws UserErrorException when llama.cpp has no name for the rules */
    static String name(JsonNode tokenizer, Path directory) {
        List<String> steps = steps(tokenizer.path("pre_tokenizer"));
        String name = NAMES.get(steps);
        if (name == null) {
            throw new UserErrorException(directory.resolve("tokenizer.json")
                    + ": export of this pre_tokenizer to GGUF is not implemented: " + steps);
        }
        boolean ignoresMerges = tokenizer.path("model").path("ignore_merges").asBoolean(false);
        return name.equals(IGNORES_MERGES) && !ignoresMerges ? FOLLOWS_MERGES : name;
    }

    /**
     * Refuses text changes that llama.cpp does not make. It composes no characters either: text that is not NFC gets other
     * tokens there.
     *
     * @param bytes whether the tokenizer has byte fallback, which changes spaces here
     */
    static void requireNormalizer(JsonNode tokenizer, Path directory, boolean bytes) {
        requireStep(tokenizer.path("normalizer"), directory, bytes);
    }

    private static void requireStep(JsonNode normalizer, Path directory, boolean bytes) {
        String type = normalizer.path("type").asText("");
        if (type.equals("Sequence")) {
            normalizer.path("normalizers").forEach(step -> requireStep(step, directory, bytes));
            return;
        }
        boolean known =
                switch (type) {
                    case "" -> true;
                    case "NFC" -> !bytes;
                    case "Prepend" ->
                        bytes && normalizer.path("prepend").asText().equals(SPACE);
                    case "Replace" ->
                        bytes
                                && normalizer
                                        .path("pattern")
                                        .path("String")
                                        .asText()
                                        .equals(" ")
                                && normalizer.path("content").asText().equals(SPACE);
                    default -> false;
                };
        if (!known) {
            throw new UserErrorException(directory.resolve("tokenizer.json") + ": export of the normalizer " + type
                    + " to GGUF is not implemented");
        }
    }

    /**
     * Refuses a byte-level tokenizer whose {@code ignore_merges} is not that of llama.cpp's rule, where it matters: a token
     * that no merge makes.
     */
    static void requireMerges(JsonNode model, Set<String> merged, String name, Path directory) {
        boolean ignores = model.path("ignore_merges").asBoolean(false);
        if (ignores == name.equals(IGNORES_MERGES)) {
            return;
        }
        model.path("vocab").fieldNames().forEachRemaining(token -> {
            if (token.codePointCount(0, token.length()) > 1 && !merged.contains(token)) {
                throw new UserErrorException(directory.resolve("tokenizer.json") + ": 'ignore_merges' is " + ignores
                        + ", and no merge makes token '" + token + "': llama.cpp's rule '" + name
                        + "' always calculates with " + !ignores);
            }
        });
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
            case "Split" -> {
                // The expressions of NAMES match everywhere: to keep the matches is to cut around them.
                String way =
                        step.path("behavior").asText() + (step.path("invert").asBoolean(false) ? " inverted" : "");
                boolean cuts = way.equals("Isolated") || way.equals("Removed inverted");
                yield "Split " + (cuts ? step.path("pattern").path("Regex").asText() : way);
            }
            default -> type;
        };
    }
}
