package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Assume;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

class IncrementalDecoderTest {

    private static Tokenizer gpt2;
    private static Tokenizer llama2;

    @BeforeContainer
    static void open() {
        gpt2 = TestTokenizers.gpt2();
        llama2 = TestTokenizers.llama2();
    }

    @AfterContainer
    static void close() {
        gpt2.close();
        llama2.close();
    }

    @Example
    void aCharacterThatIsSpreadOverTokensComesOutWhole() {
        for (Tokenizer tokenizer : List.of(gpt2, llama2)) {
            int[] ids = tokenizer.encode("a🦖ж", false);
            assertTrue(ids.length > 4, "several tokens a character");
            List<String> pieces = pieces(tokenizer, ids);
            assertEquals(
                    List.of("a", "🦖", "ж"),
                    pieces.stream().filter(piece -> !piece.isEmpty()).toList());
        }
    }

    @Example
    void aCharacterThatNeverEndsComesWithFinish() {
        int[] ids = gpt2.encode("🦖", false);
        IncrementalDecoder decoder = gpt2.incrementalDecoder(false);
        assertEquals("", decoder.push(ids[0]));
        assertEquals("", decoder.push(ids[1]));
        assertEquals("\uFFFD", decoder.finish());
        assertEquals("", decoder.finish(), "it starts anew");
    }

    @Example
    void specialTokensAreSkippedOrShown() {
        int eos = gpt2.eosTokenId().orElseThrow();
        int[] word = gpt2.encode("a", false);
        int[] ids = {eos, word[0], eos};
        assertEquals("a", String.join("", pieces(gpt2, ids, true)));
        assertEquals("<|endoftext|>a<|endoftext|>", String.join("", pieces(gpt2, ids, false)));
    }

    @Property(tries = 300)
    void thePiecesTogetherAreTheTextOfAllTokens(@ForAll String text) {
        for (Tokenizer tokenizer : List.of(gpt2, llama2)) {
            int[] ids = tokenizer.encode(text, true);
            assertEquals(tokenizer.decode(ids, true), String.join("", pieces(tokenizer, ids, true)));
            assertEquals(tokenizer.decode(ids, false), String.join("", pieces(tokenizer, ids, false)));
        }
    }

    @Property(tries = 100)
    void whatFollowsATextIsReadAfterIt(@ForAll String before, @ForAll String after) {
        for (Tokenizer tokenizer : List.of(gpt2, llama2)) {
            int[] ids = tokenizer.encode(before + " and" + after, true);
            int length = tokenizer.encode(before + " and", true).length;
            Assume.that(length < ids.length);
            String all = tokenizer.decode(ids, true);
            String first = tokenizer.decode(Arrays.copyOf(ids, length), true);
            Assume.that(all.startsWith(first));
            IncrementalDecoder decoder = tokenizer.incrementalDecoder(true);
            decoder.follow(Arrays.copyOf(ids, length));
            StringBuilder text = new StringBuilder();
            for (int i = length; i < ids.length; i++) {
                text.append(decoder.push(ids[i]));
            }
            assertEquals(all.substring(first.length()), text + decoder.finish());
        }
    }

    private static List<String> pieces(Tokenizer tokenizer, int[] ids) {
        return pieces(tokenizer, ids, false);
    }

    private static List<String> pieces(Tokenizer tokenizer, int[] ids, boolean skipSpecialTokens) {
        IncrementalDecoder decoder = tokenizer.incrementalDecoder(skipSpecialTokens);
        List<String> pieces = new ArrayList<>();
        for (int id : ids) {
            pieces.add(decoder.push(id));
        }
        pieces.add(decoder.finish());
        return pieces;
    }
}
