package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.generate.TokenLogprob;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.TokenText;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tokens that are part of a character are told apart, and their bytes make the text again. */
class TokenTextTest {

    private static final String TEXT = "a cat 🦊, an owl 🦉 and 東 \u0301!";

    static Stream<Tokenizer> tokenizers() {
        return Stream.of(TestTokenizers.gpt2(), TestTokenizers.llama2());
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void theBytesOfAllTokensAreTheText(Tokenizer opened) {
        try (Tokenizer tokenizer = opened) {
            TokenText texts = new TokenText(tokenizer);
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            int characters = 0;
            boolean parts = false;
            for (int id : tokenizer.encode(TEXT, false)) {
                TokenText.Share share = texts.of(id);
                bytes.writeBytes(share.bytes());
                characters += share.characters();
                parts |= !share.isWhole();
                assertEquals(share.isWhole(), !share.text().startsWith("\\x"), share.text());
            }
            String text = bytes.toString(StandardCharsets.UTF_8);
            assertTrue(parts, "no token is part of a character");
            assertEquals(TEXT, text.strip());
            assertEquals(text.length(), characters);
        }
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void noByteIsTakenForAnother(Tokenizer opened) {
        try (Tokenizer tokenizer = opened) {
            TokenText texts = new TokenText(tokenizer);
            Set<String> seen = new HashSet<>();
            for (int id = 0; id < tokenizer.rows(); id++) {
                TokenText.Share share = texts.of(id);
                if (!share.isWhole()) {
                    assertTrue(seen.add(share.text()), share.text());
                }
                assertFalse(share.isWhole() && share.text().indexOf('\uFFFD') >= 0, "token " + id);
            }
            assertTrue(seen.size() >= 64, seen.size() + " tokens are parts");
        }
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void bothFormsSayTheBytes(Tokenizer opened) {
        try (Tokenizer tokenizer = opened) {
            TokenText texts = new TokenText(tokenizer);
            int part = -1;
            int other = -1;
            for (int id : tokenizer.encode("🦊", false)) {
                if (!texts.of(id).isWhole()) {
                    other = part;
                    part = id;
                }
            }
            List<TokenLogprob> logprobs = List.of(new TokenLogprob(
                    part, -1, List.of(new TokenLogprob.Candidate(part, -1), new TokenLogprob.Candidate(other, -2))));
            ObjectNode text = Json.object();
            new TextForm(texts).piece(text, "", 0, logprobs);
            assertEquals(
                    "bytes:" + texts.of(part).text(),
                    text.path("logprobs").path("tokens").path(0).asText());
            assertEquals(2, text.path("logprobs").path("top_logprobs").path(0).size());
            ObjectNode chat = Json.object();
            new ChatForm(texts, null, 1).piece(chat, "", 0, logprobs);
            byte[] said = new byte
                    [chat.path("logprobs").path("content").path(0).path("bytes").size()];
            for (int i = 0; i < said.length; i++) {
                said[i] = (byte) chat.path("logprobs")
                        .path("content")
                        .path(0)
                        .path("bytes")
                        .path(i)
                        .asInt();
            }
            assertArrayEquals(texts.of(part).bytes(), said);
        }
    }
}
