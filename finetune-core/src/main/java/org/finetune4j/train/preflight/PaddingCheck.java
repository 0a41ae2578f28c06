package org.finetune4j.train.preflight;

import java.util.List;
import java.util.OptionalInt;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;

/** Padding carries no label and is masked, above all where the padding token is the end of a sequence. */
public final class PaddingCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        Sample longer = new Sample(new int[] {1, 1, 1}, new int[] {1, 1, 1});
        Sample shorter = new Sample(new int[] {1}, new int[] {1});
        Batch batch = context.collator().collate(List.of(longer, shorter));
        for (int i = batch.sequenceLength() + 1; i < 2 * batch.sequenceLength(); i++) {
            if (batch.labels()[i] != Sample.IGNORE_INDEX || batch.attentionMask()[i] != 0) {
                findings.error("the collator gives padding a label or lets it be seen: mask it");
                return;
            }
        }
        if (context.model().hasTokenizer()) {
            warnAboutStop(context, findings);
        }
    }

    /** A model whose samples never end in a labelled end-of-sequence token does not learn to stop. */
    private static void warnAboutStop(PreflightContext context, Findings findings) {
        OptionalInt eos = context.model().tokenizer().eosTokenId();
        long stops = context.survey().lastLabelled().stream()
                .filter(last -> eos.isPresent() && last == eos.getAsInt())
                .count();
        boolean instructions = context.survey().labelled()
                < context.survey().tokens() - context.survey().looked();
        if (instructions && eos.isPresent() && stops * 2 < context.survey().looked()) {
            findings.warning("only " + stops + " of " + context.survey().looked()
                    + " samples end with a labelled end-of-sequence token: the model will not learn to stop; raise"
                    + " max_length if samples are cut off, or add the token to the template");
        }
    }
}
