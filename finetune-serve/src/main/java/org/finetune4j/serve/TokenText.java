package org.finetune4j.serve;

import org.finetune4j.model.Tokenizer;

/** The text of single tokens, as it stands in the middle of a text. */
final class TokenText {

    private final Tokenizer tokenizer;

    /** A token before the one in question: some tokenizers drop the space at the beginning of a text. */
    private final int[] before;

    private final int length;

    TokenText(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        int[] ids = tokenizer.encode("a", false);
        this.before = ids.length == 0 ? new int[0] : new int[] {ids[ids.length - 1]};
        this.length = tokenizer.decode(before, false).length();
    }

    String of(int token) {
        int[] ids = before.length == 0 ? new int[] {token} : new int[] {before[0], token};
        String text = tokenizer.decode(ids, false);
        return text.substring(Math.min(length, text.length()));
    }
}
