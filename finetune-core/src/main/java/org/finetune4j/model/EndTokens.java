package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.StreamSupport;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;

/**
 * Tells a written model that it ends its texts with another token than its base, as transformers' trainer does when a
 * tokenizer names one that the model does not know, or answers were trained to end with another: generation would run past it.
 */
final class EndTokens {

    private static final String KEY = "eos_token_id";

    private EndTokens() {}

    /** Makes {@code eos} the model's token, and the first of those that end generation. */
    static void add(Path directory, int eos) {
        Path generation = directory.resolve(ModelFiles.GENERATION.get(0));
        Path config = directory.resolve(ModelConfig.FILE);
        boolean generates = Files.isRegularFile(generation);
        if (knows(config, eos) && (!generates || knows(generation, eos))) {
            return;
        }
        if (generates) {
            change(generation, eos, false);
        }
        change(config, eos, generates);
    }

    private static boolean knows(Path file, int eos) {
        JsonNode known = InputFiles.jsonObject(file).path(KEY);
        return known.isInt()
                ? known.asInt() == eos
                : StreamSupport.stream(known.spliterator(), false).anyMatch(id -> id.isInt() && id.asInt() == eos);
    }

    private static void change(Path file, int eos, boolean only) {
        ObjectNode root = InputFiles.jsonObject(file);
        ArrayNode all = Json.array().add(eos);
        JsonNode known = root.path(KEY);
        if (known.isInt()) {
            addOther(all, known, eos);
        } else {
            known.forEach(id -> addOther(all, id, eos));
        }
        if (only || all.size() == 1) {
            root.put(KEY, eos);
        } else {
            root.set(KEY, all);
        }
        AtomicFiles.writeString(file, root.toPrettyString() + "\n");
    }

    private static void addOther(ArrayNode all, JsonNode id, int eos) {
        if (id.isInt() && id.asInt() != eos) {
            all.add(id);
        }
    }
}
