package org.finetune4j.train.preflight;

import java.util.OptionalInt;

/** No sample starts with the beginning-of-sequence token twice: template and tokenizer may both add it. */
public final class DoubleBosCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (!context.model().hasTokenizer()) {
            return;
        }
        OptionalInt bos = bos(context);
        if (bos.isEmpty()) {
            return;
        }
        context.survey().leading().stream()
                .filter(start -> start.first() == bos.getAsInt() && start.second() == bos.getAsInt())
                .findFirst()
                .ifPresent(start -> findings.error(start.location()
                        + ": starts with the beginning-of-sequence token twice; take it out of the template, the"
                        + " tokenizer adds it"));
    }

    /** The token that the tokenizer puts first, where it puts exactly one that is not the end of a sequence. */
    private static OptionalInt bos(PreflightContext context) {
        int[] leading = context.model().tokenizer().leadingSpecialTokens();
        return leading.length == 1
                ? OptionalInt.of(leading[0])
                : context.model().tokenizer().bosTokenId();
    }
}
