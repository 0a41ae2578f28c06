package org.finetune4j.rlhf.distill;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import org.finetune4j.model.Tokenizer;
import org.jspecify.annotations.Nullable;

/** The student's tokens by their text, as it stands in the middle of a text. */
final class TokenTexts {

    private final Tokenizer tokenizer;

    /** A token before the one in question: some tokenizers drop the space at the beginning of a text. */
    private final int[] before;

    private final int length;
    private @Nullable Map<String, Integer> byText;

    TokenTexts(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        int[] ids = tokenizer.encode("a", false);
        this.before = ids.length == 0 ? new int[0] : new int[] {ids[ids.length - 1]};
        this.length = tokenizer.decode(before, false).length();
    }

    String text(int token) {
        int[] ids = before.length == 0 ? new int[] {token} : new int[] {before[0], token};
        String text = tokenizer.decode(ids, false);
        return text.substring(Math.min(length, text.length()));
    }

    /** Empty where no token, or only a part of a character, reads so. */
    OptionalInt token(String text) {
        Map<String, Integer> known = byText;
        if (known == null) {
            known = new HashMap<>();
            for (int token = 0; token < tokenizer.rows(); token++) {
                String own = text(token);
                if (!own.isEmpty() && own.indexOf('\uFFFD') < 0) {
                    known.putIfAbsent(own, token);
                }
            }
            byText = known;
        }
        Integer token = known.get(text);
        return token == null ? OptionalInt.empty() : OptionalInt.of(token);
    }
}
