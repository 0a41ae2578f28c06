package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.finetune4j.InputFiles;

/**
 * The beginning-of-sequence, end-of-sequence and padding tokens of a checkpoint. The first file that names a token
 * decides, in the order in which transformers' own tokenizers look: {@code tokenizer_config.json},
 * {@code special_tokens_map.json} (both by text), then {@code config.json} and {@code generation_config.json} (by id;
 * of a list the first).
 *
 * @param addBos whether {@code tokenizer_config.json} asks for a leading BOS; empty when it does not say
 * @param addEos whether {@code tokenizer_config.json} asks for a trailing EOS; empty when it does not say
 */
record SpecialTokens(
        OptionalInt bos, OptionalInt eos, OptionalInt pad, Optional<Boolean> addBos, Optional<Boolean> addEos) {

    /**
     * Reads the files.
     *
     * @param directory of the tokenizer
     * @param model directory of the model's configuration, usually the same
     */
    static SpecialTokens read(Path directory, Path model, TokenizerFile tokens) {
        JsonNode tokenizerConfig = readObject(directory.resolve(Tokenizer.CONFIG));
        JsonNode specialTokensMap = readObject(directory.resolve("special_tokens_map.json"));
        JsonNode config = readObject(model.resolve(ModelConfig.FILE));
        JsonNode generationConfig = readObject(model.resolve("generation_config.json"));
        Lookup lookup = name -> {
            for (JsonNode file : new JsonNode[] {tokenizerConfig, specialTokensMap}) {
                OptionalInt id = idOfText(file.path(name + "_token"), tokens);
                if (id.isPresent()) {
                    return id;
                }
            }
            OptionalInt id = idOfNumber(config.path(name + "_token_id"));
            return id.isPresent() ? id : idOfNumber(generationConfig.path(name + "_token_id"));
        };
        return new SpecialTokens(
                lookup.find("bos"),
                lookup.find("eos"),
                lookup.find("pad"),
                flag(tokenizerConfig.path("add_bos_token")),
                flag(tokenizerConfig.path("add_eos_token")));
    }

    /** Finds the id of {@code bos}, {@code eos} or {@code pad}. */
    @FunctionalInterface
    private interface Lookup {
        OptionalInt find(String name);
    }

    /** A token is written as its text, or as an object whose {@code content} is the text. */
    private static OptionalInt idOfText(JsonNode value, TokenizerFile tokens) {
        JsonNode text = value.isObject() ? value.path("content") : value;
        return text.isTextual() ? tokens.id(text.textValue()) : OptionalInt.empty();
    }

    private static OptionalInt idOfNumber(JsonNode value) {
        JsonNode id = value.isArray() ? value.path(0) : value;
        // Some configurations write -1 for "none".
        return id.isInt() && id.intValue() >= 0 ? OptionalInt.of(id.intValue()) : OptionalInt.empty();
    }

    private static Optional<Boolean> flag(JsonNode value) {
        return value.isBoolean() ? Optional.of(value.booleanValue()) : Optional.empty();
    }

    /** The content of a file of settings; a missing node where there is no such file. */
    static JsonNode readObject(Path path) {
        if (!Files.isRegularFile(path)) {
            return MissingNode.getInstance();
        }
        return InputFiles.jsonObject(path);
    }
}
