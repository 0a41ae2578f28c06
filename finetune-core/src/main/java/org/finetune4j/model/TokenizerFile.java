package org.finetune4j.model;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * What the native tokenizer does not tell: the table of tokens in a {@code tokenizer.json}. It is read as a stream,
 * since the merges beside it make some of these files 10 MB, and it checks that the file is well-formed JSON before
 * native code sees it.
 */
final class TokenizerFile {

    private static final Set<String> SECTIONS = Set.of("normalizer", "pre_tokenizer", "post_processor", "decoder");

    private final Map<Integer, String> tokens = new HashMap<>();
    private boolean hasModel;
    private String continuingSubwordPrefix = "";

    private TokenizerFile() {}

    /**
     * Reads the vocabulary and the added tokens.
     *
     * @throws UserErrorException when {@code content} is not JSON, or holds no tokenizer
     */
    static TokenizerFile parse(Path path, byte[] content) {
        TokenizerFile file = new TokenizerFile();
        try (JsonParser parser = Json.factory().createParser(content)) {
            file.readRoot(parser);
            if (!file.continuingSubwordPrefix.isEmpty()) {
                checkMerges(content, file.continuingSubwordPrefix);
            }
        } catch (IOException e) {
            throw new UserErrorException(path + ": not a valid tokenizer.json: " + Reasons.of(e), e);
        }
        if (!file.hasModel) {
            throw new UserErrorException(path + ": not a valid tokenizer.json: it has no 'model'");
        }
        return file;
    }

    /** All tokens by their ids. */
    Map<Integer, String> tokens() {
        return tokens;
    }

    /** Number of distinct token ids, added tokens included. */
    int size() {
        return tokens.size();
    }

    /** The largest id, -1 where there is no token. */
    int largestId() {
        return tokens.keySet().stream().mapToInt(id -> id).max().orElse(-1);
    }

    /** The token as the file spells it, or null when no token has this id. */
    @Nullable
    String token(int id) {
        return tokens.get(id);
    }

    OptionalInt id(String token) {
        return tokens.entrySet().stream()
                .filter(entry -> entry.getValue().equals(token))
                .mapToInt(Map.Entry::getKey)
                .findFirst();
    }

    private void readRoot(JsonParser parser) throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw new IOException("the file is not a JSON object");
        }
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            JsonToken value = parser.nextToken();
            if (key.equals("added_tokens") && value == JsonToken.START_ARRAY) {
                readAddedTokens(parser);
            } else if (key.equals("model") && value == JsonToken.START_OBJECT) {
                hasModel = true;
                readModel(parser);
            } else if (SECTIONS.contains(key)) {
                TokenizerPreflight.checkSection(key, parser.readValueAsTree());
            } else {
                parser.skipChildren();
            }
        }
        if (parser.nextToken() != null) {
            throw new IOException("there is more after the end of the JSON object");
        }
    }

    private void readModel(JsonParser parser) throws IOException {
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            JsonToken value = parser.nextToken();
            if (key.equals("vocab") && value == JsonToken.START_OBJECT) {
                readVocabularyObject(parser);
            } else if (key.equals("vocab") && value == JsonToken.START_ARRAY) {
                readVocabularyArray(parser);
            } else if (key.equals("continuing_subword_prefix") && value == JsonToken.VALUE_STRING) {
                continuingSubwordPrefix = parser.getText();
            } else {
                parser.skipChildren();
            }
        }
    }

    /** BPE, WordPiece and WordLevel: {@code {"token": id}}. */
    private void readVocabularyObject(JsonParser parser) throws IOException {
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String token = parser.currentName();
            parser.nextToken();
            tokens.put(parser.getIntValue(), token);
        }
    }

    /** Unigram: {@code [["token", score], ...]}, the id is the position. */
    private void readVocabularyArray(JsonParser parser) throws IOException {
        for (int id = 0; parser.nextToken() != JsonToken.END_ARRAY; id++) {
            if (parser.currentToken() != JsonToken.START_ARRAY || parser.nextToken() != JsonToken.VALUE_STRING) {
                throw new IOException("entry " + id + " of 'vocab' is not a pair of token and score");
            }
            tokens.put(id, parser.getText());
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                parser.skipChildren();
            }
        }
    }

    private void readAddedTokens(JsonParser parser) throws IOException {
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            int id = -1;
            String content = null;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String key = parser.currentName();
                parser.nextToken();
                if (key == null) {
                    throw new IOException("an entry of 'added_tokens' is not an object");
                } else if (key.equals("id")) {
                    id = parser.getIntValue();
                } else if (key.equals("content")) {
                    content = parser.getText();
                } else {
                    parser.skipChildren();
                }
            }
            if (id < 0 || content == null) {
                throw new IOException("an entry of 'added_tokens' lacks its id or its content");
            }
            // A vocabulary entry of the same id holds the same text; the added token decides if it does not.
            tokens.put(id, content);
        }
    }

    /** A second pass, which few files need: the prefix may come after the merges. Only BPE models have merges. */
    private static void checkMerges(byte[] content, String prefix) throws IOException {
        try (JsonParser parser = Json.factory().createParser(content)) {
            while (parser.nextToken() != null) {
                boolean inMerges =
                        parser.currentToken() == JsonToken.START_ARRAY && "merges".equals(parser.currentName());
                while (inMerges && parser.nextToken() != JsonToken.END_ARRAY) {
                    // "first second", or ["first", "second"]
                    JsonNode merge = parser.readValueAsTree();
                    String pair = merge.path(1).asText(merge.asText());
                    TokenizerPreflight.checkMerge(prefix, pair.substring(pair.indexOf(' ') + 1));
                }
            }
        }
    }
}
