package org.finetune4j.model;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Reads a {@code tokenizer.json} as transformers 5 does, which lets the files beside it change it.
 *
 * <p>The tokenizer of Llama 2 writes a blank before every text by a normalizer, and marks its special tokens as found
 * after normalising: {@code </s>} straight behind a word would be cut into letters. transformers sets the blank by a
 * pre-tokenizer for the class {@code LlamaTokenizer}, and so finds special tokens wherever they stand. And what
 * {@code added_tokens_decoder} of {@code tokenizer_config.json} says about a token goes before {@code tokenizer.json}.
 */
final class TokenizerPipeline {

    private static final Set<String> LLAMA_CLASSES = Set.of("LlamaTokenizer", "LlamaTokenizerFast");

    /** Models for which transformers does not go by the class that the checkpoint names. */
    private static final Set<String> CLASS_IGNORED = Set.of(
            "deepseek_v2",
            "deepseek_v3",
            "glm",
            "glm4",
            "granite",
            "granitemoe",
            "internlm2",
            "jamba",
            "minicpm3",
            "ministral",
            "ministral3",
            "mistral",
            "mistral3",
            "mixtral",
            "nemotron",
            "olmo2",
            "olmo3",
            "persimmon",
            "phi3",
            "phimoe",
            "qwen2",
            "stablelm");

    private static final String BLANK = "\u2581"; // ▁

    private final Map<String, JsonNode> replaced = new LinkedHashMap<>();

    private TokenizerPipeline() {}

    /**
     * The content of {@code tokenizer.json} with the changes that transformers makes to it; the same bytes where it
     * makes none.
     *
     * @param directory where the tokenizer's other files are
     * @param content {@code tokenizer.json}, known to be well-formed
     * @param tokens its tokens
     * @throws UserErrorException when a file beside it is not JSON, or {@code added_tokens} is malformed
     */
    static byte[] asTransformers(Path directory, byte[] content, TokenizerFile tokens) {
        JsonNode settings = SpecialTokens.readObject(directory.resolve("tokenizer_config.json"));
        if (settings.isMissingNode()) {
            return content;
        }
        TokenizerPipeline pipeline = new TokenizerPipeline();
        try {
            Sections sections = Sections.read(content);
            if (isLlama(directory, settings) && sections.isSentencePiece()) {
                pipeline.setBlankBeforeWords(settings);
            }
            pipeline.setAddedTokens(settings.path("added_tokens_decoder"), sections.addedTokens(), tokens);
            return pipeline.replaced.isEmpty() ? content : pipeline.rewrite(content);
        } catch (IOException e) {
            throw new UserErrorException(
                    directory.resolve("tokenizer.json") + ": not a valid tokenizer.json: " + Reasons.of(e), e);
        }
    }

    private static boolean isLlama(Path directory, JsonNode settings) {
        if (!LLAMA_CLASSES.contains(settings.path("tokenizer_class").asText())) {
            return false;
        }
        JsonNode config = SpecialTokens.readObject(directory.resolve(ModelConfig.FILE));
        return !CLASS_IGNORED.contains(config.path("model_type").asText());
    }

    private void setBlankBeforeWords(JsonNode settings) {
        JsonNodeFactory nodes = JsonNodeFactory.instance;
        boolean prefix = settings.path("add_prefix_space").asBoolean(true);
        boolean always = settings.path("legacy").asBoolean(false);
        replaced.put("normalizer", nodes.nullNode());
        replaced.put(
                "pre_tokenizer",
                nodes.objectNode()
                        .put("type", "Metaspace")
                        .put("replacement", BLANK)
                        .put("prepend_scheme", prefix ? (always ? "always" : "first") : "never")
                        .put("split", false));
        ObjectNode decoder = nodes.objectNode().put("type", "Sequence");
        ArrayNode steps = decoder.putArray("decoders");
        ObjectNode replace = steps.addObject().put("type", "Replace");
        replace.putObject("pattern").put("String", BLANK);
        replace.put("content", " ");
        steps.addObject().put("type", "ByteFallback");
        steps.addObject().put("type", "Fuse");
        if (prefix) {
            steps.addObject()
                    .put("type", "Strip")
                    .put("content", " ")
                    .put("start", 1)
                    .put("stop", 0);
        }
        replaced.put("decoder", decoder);
    }

    private void setAddedTokens(JsonNode decoder, ArrayNode present, TokenizerFile tokens) {
        Map<Integer, JsonNode> wanted = new TreeMap<>();
        decoder.properties().forEach(entry -> {
            if (entry.getValue().path("content").isTextual()) {
                wanted.put(number(entry.getKey()), entry.getValue());
            }
        });
        ArrayNode changed = present.deepCopy();
        int next = tokens.largestId() + 1;
        for (JsonNode token : wanted.values()) {
            String content = token.path("content").textValue();
            if (content.isEmpty()) {
                continue;
            }
            ObjectNode entry = find(changed, content);
            if (entry == null) {
                entry = changed.addObject();
                entry.put("id", tokens.id(content).orElse(next));
                next += tokens.id(content).isPresent() ? 0 : 1;
                entry.put("content", content);
            }
            for (String flag : new String[] {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
                // As in Python, what is not special is normalized unless it says otherwise.
                boolean otherwise =
                        flag.equals("normalized") && !token.path("special").asBoolean();
                entry.put(flag, token.path(flag).asBoolean(otherwise));
            }
        }
        if (!changed.equals(present)) {
            replaced.put("added_tokens", changed);
        }
    }

    private static int number(String text) {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            return Integer.MAX_VALUE;
        }
    }

    private static @Nullable ObjectNode find(ArrayNode tokens, String content) {
        for (JsonNode token : tokens) {
            if (token instanceof ObjectNode object
                    && content.equals(object.path("content").textValue())) {
                return object;
            }
        }
        return null;
    }

    /** Copies the file with other sections; those that it lacks are added. */
    private byte[] rewrite(byte[] content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream(content.length + 1024);
        try (JsonParser parser = Json.factory().createParser(content);
                JsonGenerator generator = Json.factory().createGenerator(out)) {
            parser.nextToken();
            generator.writeStartObject();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String key = parser.currentName();
                parser.nextToken();
                if (replaced.containsKey(key)) {
                    parser.skipChildren();
                } else {
                    generator.writeFieldName(key);
                    generator.copyCurrentStructure(parser);
                }
            }
            for (Map.Entry<String, JsonNode> section : replaced.entrySet()) {
                generator.writeFieldName(section.getKey());
                generator.writeTree(section.getValue());
            }
            generator.writeEndObject();
        }
        return out.toByteArray();
    }

    /**
     * The parts of the file that decide.
     *
     * @param preTokenizer how texts are cut before the model sees them
     * @param addedTokens entries of {@code added_tokens}
     * @param hasMerges whether the model is BPE
     */
    private record Sections(JsonNode preTokenizer, ArrayNode addedTokens, boolean hasMerges) {

        static Sections read(byte[] content) throws IOException {
            JsonNode preTokenizer = MissingNode.getInstance();
            ArrayNode added = JsonNodeFactory.instance.arrayNode();
            boolean merges = false;
            try (JsonParser parser = Json.factory().createParser(content)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String key = parser.currentName();
                    JsonToken value = parser.nextToken();
                    if (key.equals("pre_tokenizer")) {
                        preTokenizer = parser.readValueAsTree();
                    } else if (key.equals("added_tokens") && value == JsonToken.START_ARRAY) {
                        added = parser.readValueAsTree();
                    } else if (key.equals("model") && value == JsonToken.START_OBJECT) {
                        merges = hasMerges(parser);
                    } else {
                        parser.skipChildren();
                    }
                }
            }
            return new Sections(preTokenizer, added, merges);
        }

        private static boolean hasMerges(JsonParser parser) throws IOException {
            boolean merges = false;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                merges |= parser.currentName().equals("merges");
                parser.nextToken();
                parser.skipChildren();
            }
            return merges;
        }

        /** Some checkpoints name Llama's class for a tokenizer of bytes, which would no longer be one. */
        boolean isSentencePiece() {
            return hasMerges && preTokenizer.findValuesAsText("type").stream().noneMatch("ByteLevel"::equals);
        }
    }
}
