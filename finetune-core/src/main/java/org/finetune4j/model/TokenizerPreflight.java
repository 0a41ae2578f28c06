package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/**
 * Finds in a {@code tokenizer.json} what native code does not report as an error but ends the process over (tokenizers
 * 0.21.4 panics). Each rule names a mistake that was seen to do so; a file that Hugging Face tokenizers wrote breaks
 * none of them.
 */
final class TokenizerPreflight {

    /** Native code descends into an expression by recursion: 1,000 levels are fine for it, 3,000 overflow its stack. */
    private static final int DEEPEST_EXPRESSION = 200;

    private TokenizerPreflight() {}

    /**
     * Checks a normalizer, pre-tokenizer, post-processor or decoder, with all it contains.
     *
     * @param section the key in {@code tokenizer.json}, for the message
     * @throws IOException with the reason
     */
    static void checkSection(String section, JsonNode node) throws IOException {
        for (JsonNode child : node) {
            checkSection(section, child);
        }
        require(
                depth(node.path("Regex").asText()) <= DEEPEST_EXPRESSION,
                section,
                "a 'Regex' is nested more than " + DEEPEST_EXPRESSION + " deep");
        switch (node.path("type").asText()) {
            case "TemplateProcessing" -> checkTemplate(node);
            case "Precompiled" ->
                require(
                        isCharacterMap(node.path("precompiled_charsmap")),
                        section,
                        "its 'precompiled_charsmap' is malformed");
            case "Prepend" ->
                require(!node.path("prepend").asText().isEmpty(), section, "a 'Prepend' needs something to prepend");
            case "FixedLength" ->
                require(!node.has("length") || node.path("length").asLong() > 0, section, "a 'FixedLength' of 0");
            case "Strip" ->
                require(
                        !section.equals("decoder") || node.path("stop").asLong() == 0,
                        section,
                        "a 'Strip' with a 'stop' other than 0 is not supported");
            default -> {
                // Nothing known.
            }
        }
    }

    /** How many groups and classes of an expression lie within each other at most. */
    private static int depth(String expression) {
        int open = 0;
        int deepest = 0;
        for (int i = 0; i < expression.length(); i++) {
            char next = expression.charAt(i);
            if (next == '\\') {
                i++; // what follows stands for itself
            } else if (next == '(' || next == '[') {
                deepest = Math.max(deepest, ++open);
            } else if (next == ')' || next == ']') {
                open = Math.max(0, open - 1);
            }
        }
        return deepest;
    }

    /**
     * Checks a merge of a BPE model that has a continuing subword prefix: native code cuts the prefix off the second
     * part without looking.
     */
    static void checkMerge(String prefix, String second) throws IOException {
        require(
                second.startsWith(prefix),
                "model",
                "the merge part '" + second + "' does not start with the continuing_subword_prefix '" + prefix + "'");
    }

    private static void checkTemplate(JsonNode template) throws IOException {
        JsonNode specialTokens = template.path("special_tokens");
        for (JsonNode special : specialTokens) {
            require(
                    special.path("ids").size() == special.path("tokens").size(),
                    "post_processor",
                    "a special token has not as many 'ids' as 'tokens'");
        }
        for (String form : new String[] {"single", "pair"}) {
            for (JsonNode piece : template.path(form)) {
                JsonNode special = piece.path("SpecialToken").path("id");
                require(
                        special.isMissingNode() || specialTokens.has(special.asText()),
                        "post_processor",
                        "'" + form + "' uses '" + special.asText() + "', which 'special_tokens' does not define");
                require(
                        form.equals("pair")
                                || !piece.path("Sequence").path("id").asText().equals("B"),
                        "post_processor",
                        "'single' uses a second sequence");
            }
        }
    }

    /** SentencePiece's compiled character map: size of a trie in bytes, the trie, then UTF-8 text. */
    private static boolean isCharacterMap(JsonNode value) {
        if (!value.isTextual()) {
            return false;
        }
        try {
            ByteBuffer map = ByteBuffer.wrap(Base64.getDecoder().decode(value.textValue()))
                    .order(ByteOrder.LITTLE_ENDIAN);
            long trieBytes = map.remaining() < Integer.BYTES ? -1 : Integer.toUnsignedLong(map.getInt());
            // An empty trie has no root to start at.
            if (trieBytes < Integer.BYTES || trieBytes > map.remaining()) {
                return false;
            }
            StandardCharsets.UTF_8.newDecoder().decode(map.position(map.position() + (int) trieBytes / 4 * 4));
            return true;
        } catch (IllegalArgumentException | CharacterCodingException e) {
            return false;
        }
    }

    private static void require(boolean condition, String section, String problem) throws IOException {
        if (!condition) {
            throw new IOException("'" + section + "': " + problem);
        }
    }
}
