package org.finetune4j.model.gguf;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;

/**
 * Writes a tokenizer.json into the metadata as llama.cpp reads it: byte-level BPE as {@code gpt2} with the name of its
 * splitting rule, BPE with byte fallback as {@code llama}, whose pieces' scores are the order of the merges.
 */
final class GgufTokenizer {

    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;
    private static final int BYTE = 6;

    private static final String SPACE = "\u2581";

    /** The special tokens: their key in tokenizer_config.json, and in the file. */
    private static final Map<String, String> SPECIAL =
            Map.of("bos", "bos_token_id", "eos", "eos_token_id", "unk", "unknown_token_id", "pad", "padding_token_id");

    private final Path directory;
    private final JsonNode tokenizer;
    private final JsonNode settings;
    private final ModelConfig config;
    private final List<String> tokens = new ArrayList<>();
    private final List<Integer> types = new ArrayList<>();

    private GgufTokenizer(Path directory, ModelConfig config) {
        this.directory = directory;
        this.config = config;
        this.tokenizer = read(directory.resolve("tokenizer.json"));
        this.settings = read(directory.resolve("tokenizer_config.json"));
    }

    /**
     * Describes the tokenizer of a model directory.
     *
     * @throws UserErrorException when there is none, or llama.cpp has none of its kind
     */
    static void describe(Path directory, ModelConfig config, GgufMetadata metadata) {
        GgufTokenizer tokenizer = new GgufTokenizer(directory, config);
        if (tokenizer.tokenizer.isMissingNode()) {
            throw new UserErrorException(directory + " has no tokenizer.json, which a GGUF file holds");
        }
        tokenizer.describe(metadata);
    }

    private static JsonNode read(Path file) {
        return Files.exists(file) ? InputFiles.vocabularyObject(file) : MissingNode.getInstance();
    }

    private void describe(GgufMetadata metadata) {
        JsonNode model = tokenizer.path("model");
        String type = model.path("type").asText("BPE");
        if (!type.equals("BPE")) {
            throw new UserErrorException(directory.resolve("tokenizer.json") + ": export of a " + type
                    + " tokenizer to GGUF is not implemented");
        }
        boolean bytes = model.path("byte_fallback").asBoolean(false);
        readTokens(model, bytes);
        List<String> merges = new ArrayList<>();
        model.path("merges")
                .forEach(merge -> merges.add(
                        merge.isArray()
                                ? merge.path(0).asText() + " " + merge.path(1).asText()
                                : merge.asText()));
        GgufPreTokenizer.requireNormalizer(tokenizer, directory, bytes);
        String splitting = bytes ? "default" : GgufPreTokenizer.name(tokenizer, directory);
        if (!bytes) {
            requireMerges(model, merges, splitting);
        }
        metadata.put("tokenizer.ggml.model", bytes ? "llama" : "gpt2")
                .put("tokenizer.ggml.pre", splitting)
                .putTexts("tokenizer.ggml.tokens", tokens);
        if (bytes) {
            metadata.putReals("tokenizer.ggml.scores", scores(merges));
        }
        metadata.putIntegers("tokenizer.ggml.token_type", types);
        if (bytes) {
            metadata.put("tokenizer.ggml.add_space_prefix", addsSpace());
        } else {
            metadata.putTexts("tokenizer.ggml.merges", merges);
        }
        describeSpecial(metadata);
        chatTemplate(metadata);
    }

    /** Added tokens need no merge. */
    private void requireMerges(JsonNode model, List<String> merges, String splitting) {
        Set<String> made = new HashSet<>();
        merges.forEach(merge -> made.add(merge.replace(" ", "")));
        tokenizer
                .path("added_tokens")
                .forEach(token -> made.add(token.path("content").asText()));
        GgufPreTokenizer.requireMerges(model, made, splitting, directory);
    }

    private void readTokens(JsonNode model, boolean bytes) {
        int size = config.positive("vocab_size");
        for (int id = 0; id < size; id++) {
            tokens.add("[PAD" + id + "]");
        }
        types.addAll(Collections.nCopies(size, UNUSED));
        String unknown = model.path("unk_token").asText("");
        model.path("vocab").properties().forEach(entry -> {
            String token = entry.getKey();
            boolean isByte = bytes && token.matches("<0x[0-9A-F]{2}>");
            set(entry.getValue().asInt(), token, isByte ? BYTE : bytes && token.equals(unknown) ? UNKNOWN : NORMAL);
        });
        for (JsonNode added : tokenizer.path("added_tokens")) {
            String token = added.path("content").asText();
            int id = added.path("id").asInt();
            if (bytes && token.equals(unknown)) {
                continue;
            }
            boolean control = added.path("special").asBoolean() || looksSpecial(token);
            set(id, control ? token : token.replace(SPACE, " "), control ? CONTROL : USER_DEFINED);
        }
    }

    private void set(int id, String token, int type) {
        if (id < 0 || id >= tokens.size()) {
            throw new UserErrorException(directory.resolve("tokenizer.json") + ": token '" + token + "' has id " + id
                    + ", but vocab_size is " + tokens.size());
        }
        tokens.set(id, token);
        types.set(id, type);
    }

    /** Some models mark tokens that control as ordinary ones. */
    private static boolean looksSpecial(String token) {
        return token.equals("<pad>")
                || token.equals("<mask>")
                || (token.startsWith("<|") && token.endsWith("|>"))
                || (token.startsWith("<unused") && token.endsWith(">"));
    }

    /** SentencePiece joins the pair whose piece has the best score, BPE the one whose merge comes first. */
    private List<Float> scores(List<String> merges) {
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < tokens.size(); id++) {
            ids.put(tokens.get(id), id);
        }
        Float[] scores = new Float[tokens.size()];
        for (int rank = 0; rank < merges.size(); rank++) {
            Integer id = ids.get(merges.get(rank).replace(" ", ""));
            if (id != null && scores[id] == null) {
                scores[id] = (float) -rank;
            }
        }
        List<Float> all = new ArrayList<>();
        for (int id = 0; id < scores.length; id++) {
            Float score = scores[id];
            // What no merge makes is never chosen by its score: below all others where it is a character.
            all.add(score != null ? score : types.get(id) == NORMAL ? (float) -(merges.size() + id) : 0f);
        }
        return all;
    }

    /** Whether the tokenizer puts a space before the text. */
    private boolean addsSpace() {
        JsonNode normalizer = tokenizer.path("normalizer");
        boolean prepends = normalizer.path("type").asText().equals("Prepend");
        for (JsonNode step : normalizer.path("normalizers")) {
            prepends |= step.path("type").asText().equals("Prepend");
        }
        JsonNode splitter = tokenizer.path("pre_tokenizer");
        boolean metaspace = splitter.path("type").asText().equals("Metaspace")
                && !splitter.path("prepend_scheme").asText("always").equals("never");
        return prepends || metaspace;
    }

    private void describeSpecial(GgufMetadata metadata) {
        for (String name : List.of("bos", "eos", "unk", "pad")) {
            Integer id = specialId(name);
            if (id != null && id >= 0 && id < tokens.size()) {
                metadata.put("tokenizer.ggml." + SPECIAL.get(name), id.intValue());
            }
        }
        metadata.put("tokenizer.ggml.add_bos_token", isAdded("bos", true));
        metadata.put("tokenizer.ggml.add_eos_token", isAdded("eos", false));
    }

    /** Without an id llama.cpp would put another token there. */
    private boolean isAdded(String name, boolean first) {
        Integer id = specialId(name);
        if (id == null || id < 0 || id >= tokens.size()) {
            return false;
        }
        return settings.path("add_" + name + "_token").asBoolean(adds(tokens.get(id), first));
    }

    private @Nullable Integer specialId(String name) {
        JsonNode token = settings.path(name + "_token");
        String content = token.isObject() ? token.path("content").asText("") : token.asText("");
        if (!content.isEmpty() && tokens.contains(content)) {
            return tokens.indexOf(content);
        }
        JsonNode id = config.node(name + "_token_id");
        return id.isInt()
                ? Integer.valueOf(id.asInt())
                : id.isArray() && id.size() > 0 ? id.get(0).asInt() : null;
    }

    /** Whether the tokenizer itself puts this token, and no other, first (or last). */
    private boolean adds(String token, boolean first) {
        JsonNode processor = tokenizer.path("post_processor");
        boolean adds = addsIn(processor, token, first);
        for (JsonNode step : processor.path("processors")) {
            adds |= addsIn(step, token, first);
        }
        return adds;
    }

    private static boolean addsIn(JsonNode processor, String token, boolean first) {
        JsonNode single = processor.path("single");
        JsonNode edge = single.path(first ? 0 : single.size() - 1);
        JsonNode neighbour = single.path(first ? 1 : single.size() - 2);
        return edge.path("SpecialToken").path("id").asText().equals(token) && neighbour.has("Sequence");
    }

    private void chatTemplate(GgufMetadata metadata) {
        ChatTemplate.source(directory).ifPresent(source -> metadata.put("tokenizer.chat_template", source));
    }
}
