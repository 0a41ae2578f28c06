package org.finetune4j.cli.quickstart.tokenizer;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;

/**
 * A trained byte-level BPE tokenizer, to be written for others to load.
 *
 * @param vocabulary tokens in {@link ByteAlphabet} spelling with their ids, in the order of the ids
 * @param merges pairs of tokens, the earlier the more important
 * @param specialTokens tokens that stand for no text
 */
public record BytePairTokenizer(
        Map<String, Integer> vocabulary, List<List<String>> merges, List<String> specialTokens) {

    /**
     * Keeps copies.
     *
     * @param vocabulary tokens in {@link ByteAlphabet} spelling with their ids, in the order of the ids
     * @param merges pairs of tokens, the earlier the more important
     * @param specialTokens tokens that stand for no text
     * @throws IllegalArgumentException when a special token is not in the vocabulary
     */
    public BytePairTokenizer {
        if (!vocabulary.keySet().containsAll(specialTokens)) {
            throw new IllegalArgumentException("special tokens " + specialTokens + " must be in the vocabulary");
        }
        vocabulary = Collections.unmodifiableMap(new LinkedHashMap<>(vocabulary));
        merges = List.copyOf(merges);
        specialTokens = List.copyOf(specialTokens);
    }

    /**
     * Writes {@code tokenizer.json} and {@code tokenizer_config.json} into {@code directory}.
     *
     * @param directory where the two files go; there must be one of that name
     * @param endOfText the special token that ends a text; as in GPT-2 it is also the one that could begin it
     * @param padding the special token that fills up batches
     * @param maxLength the longest sequence the model is made for, in tokens
     * @throws IllegalArgumentException when one of the two is not among the special tokens
     * @throws org.finetune4j.UserErrorException when the directory cannot be written
     */
    public void save(Path directory, String endOfText, String padding, int maxLength) {
        if (!specialTokens.containsAll(List.of(endOfText, padding))) {
            throw new IllegalArgumentException(
                    endOfText + " and " + padding + " must be among the special tokens " + specialTokens);
        }
        write(directory.resolve("tokenizer.json"), tokenizer());
        write(directory.resolve("tokenizer_config.json"), config(endOfText, padding, maxLength));
    }

    private Map<String, Object> tokenizer() {
        Map<String, Object> byteLevel =
                object("type", "ByteLevel", "add_prefix_space", false, "trim_offsets", true, "use_regex", true);
        Map<String, Object> model = object(
                "type",
                "BPE",
                "continuing_subword_prefix",
                "",
                "end_of_word_suffix",
                "",
                "fuse_unk",
                false,
                "byte_fallback",
                false,
                "ignore_merges",
                false,
                "vocab",
                vocabulary,
                // "left right", the older of two spellings, which every version of the library reads.
                "merges",
                merges.stream().map(pair -> String.join(" ", pair)).toList());
        return object(
                "version", "1.0",
                "added_tokens", specialTokens.stream().map(this::addedToken).toList(),
                "pre_tokenizer", byteLevel,
                "post_processor", byteLevel,
                "decoder", byteLevel,
                "model", model);
    }

    private Map<String, Object> addedToken(String token) {
        return object(
                "id", vocabulary.getOrDefault(token, 0),
                "content", token,
                "single_word", false,
                "lstrip", false,
                "rstrip", false,
                "normalized", false,
                "special", true);
    }

    private static Map<String, Object> config(String endOfText, String padding, int maxLength) {
        return object(
                "tokenizer_class", "PreTrainedTokenizerFast",
                "bos_token", endOfText,
                "eos_token", endOfText,
                "pad_token", padding,
                "add_prefix_space", false,
                "clean_up_tokenization_spaces", false,
                "model_max_length", maxLength);
    }

    private static Map<String, Object> object(Object... keysAndValues) {
        Map<String, Object> object = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            object.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return object;
    }

    private static void write(Path file, Map<String, Object> content) {
        AtomicFiles.writeString(file, Json.writePretty(content) + "\n");
    }
}
