package org.finetune4j.model.gguf;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.regex.Pattern;
import org.finetune4j.InputFiles;

/**
 * The name of a model, which is its directory's. llama.cpp asks it a question: where it has Phi-3 in it, special tokens
 * swallow the white space behind them.
 */
final class GgufModelName {

    private static final Pattern PHI3 = Pattern.compile("phi-?3", Pattern.CASE_INSENSITIVE);

    /** Special tokens that swallow nothing even then. */
    private static final Set<String> NEVER = Set.of("<unk>", "<s>", "<|endoftext|>");

    private GgufModelName() {}

    /** The name, with or without Phi-3 in it, as the tokenizer has it. */
    static String of(Path directory) {
        String name = directory.toAbsolutePath().normalize().getFileName().toString();
        boolean says = PHI3.matcher(name).find();
        if (swallowsSpace(directory.resolve("tokenizer.json"))) {
            return says ? name : name + " (phi-3)";
        }
        return PHI3.matcher(name).replaceAll("Phi 3");
    }

    private static boolean swallowsSpace(Path tokenizer) {
        if (!Files.exists(tokenizer)) {
            return false;
        }
        boolean any = false;
        for (JsonNode token : InputFiles.vocabularyObject(tokenizer).path("added_tokens")) {
            if (token.path("special").asBoolean()
                    && !NEVER.contains(token.path("content").asText())) {
                if (!token.path("rstrip").asBoolean(false)) {
                    return false;
                }
                any = true;
            }
        }
        return any;
    }
}
