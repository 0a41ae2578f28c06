package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;

/** Rewrites the files of a tokenizer so that it has more tokens, as {@code tokenizer.add_tokens} in transformers does. */
final class TokenizerExtension {

    private final AddedTokens added;
    private final TokenizerFile known;
    private int nextId;

    private TokenizerExtension(AddedTokens added, TokenizerFile known) {
        this.added = added;
        this.known = known;
        this.nextId = known.largestId() + 1;
    }

    /**
     * The new content of those files of {@code directory} that change, by name.
     *
     * @throws UserErrorException when a file cannot be read
     */
    static Map<String, byte[]> extend(Path directory, TokenizerFile known, AddedTokens added) {
        return new TokenizerExtension(added, known).files(directory);
    }

    private Map<String, byte[]> files(Path directory) {
        Map<String, byte[]> files = new LinkedHashMap<>();
        ObjectNode tokenizer = InputFiles.vocabularyObject(directory.resolve("tokenizer.json"));
        Map<Integer, ObjectNode> entries = entries(tokenizer.withArray("added_tokens"));
        files.put("tokenizer.json", Json.writePretty(tokenizer).getBytes(StandardCharsets.UTF_8));
        Path config = directory.resolve("tokenizer_config.json");
        if (Files.isRegularFile(config)) {
            ObjectNode settings = InputFiles.vocabularyObject(config);
            if (settings.path("added_tokens_decoder") instanceof ObjectNode decoder) {
                entries.forEach((id, entry) -> decoder.set(String.valueOf(id), entry.without("id")));
                files.put("tokenizer_config.json", Json.writePretty(settings).getBytes(StandardCharsets.UTF_8));
            }
        }
        return files;
    }

    /** Brings the list up to date and returns copies of the entries that are new or changed, by id. */
    private Map<Integer, ObjectNode> entries(ArrayNode list) {
        Map<Integer, ObjectNode> changed = new LinkedHashMap<>();
        for (String token : added.all()) {
            boolean special = added.specialTokens().contains(token);
            ObjectNode entry = stream(list)
                    .filter(node -> node.path("content").asText().equals(token))
                    .map(ObjectNode.class::cast)
                    .findFirst()
                    .orElseGet(() -> append(list, token));
            entry.put("normalized", !special);
            entry.put("special", special || entry.path("special").asBoolean());
            changed.put(entry.path("id").asInt(), entry.deepCopy());
        }
        Comparator<JsonNode> byId =
                Comparator.comparingInt(node -> node.path("id").asInt());
        var sorted = stream(list).sorted(byId).toList();
        list.removeAll().addAll(sorted);
        return changed;
    }

    /** A new entry: with the id that the vocabulary has for the text, or else a new one. */
    private ObjectNode append(ArrayNode list, String token) {
        OptionalInt id = known.id(token);
        return list.addObject()
                .put("id", id.isPresent() ? id.getAsInt() : nextId++)
                .put("content", token)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false);
    }

    private static Stream<JsonNode> stream(ArrayNode list) {
        return StreamSupport.stream(list.spliterator(), false);
    }
}
