package org.finetune4j.train.preflight;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.Tokenizer;

/** Padding carries no label and is masked, above all where the padding token is the end of a sequence. */
public final class PaddingCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        Sample longer = new Sample(new int[] {1, 1, 1}, new int[] {1, 1, 1});
        Sample shorter = new Sample(new int[] {1}, new int[] {1});
        if (!isMasked(context.collator().collate(List.of(longer, shorter)), shorter.length())) {
            findings.error("the collator gives padding a label or lets it be seen: mask it");
            return;
        }
        // A classifier writes nothing that it would have to end.
        if (context.model().hasTokenizer() && context.model().network().pooling() == null) {
            warnAboutStop(context, findings);
        }
    }

    /** Whether the second row, if there is one, is masked and without labels from {@code length} on. */
    static boolean isMasked(Batch batch, int length) {
        return batch.batchSize() == 1
                || IntStream.range(batch.sequenceLength() + length, 2 * batch.sequenceLength())
                        .allMatch(i -> batch.labels()[i] == Sample.IGNORE_INDEX && batch.attentionMask()[i] == 0);
    }

    /**
     * A model whose samples never end in a labelled special token, that of the end of a sequence or one that a chat
     * template ends a turn with, does not learn to stop.
     */
    private static void warnAboutStop(PreflightContext context, Findings findings) {
        SampleSurvey survey = context.survey();
        Tokenizer tokenizer = context.model().tokenizer();
        Set<Integer> stops = survey.lastLabelled().stream()
                .distinct()
                .filter(token -> isSpecial(tokenizer, token))
                .collect(Collectors.toSet());
        long stopped = survey.lastLabelled().stream().filter(stops::contains).count();
        boolean instructions = survey.labelled() > 0 && survey.labelled() < survey.tokens() - survey.looked();
        if (instructions && stopped * 2 < survey.looked()) {
            findings.warning("only " + stopped + " of " + survey.looked()
                    + " samples end with a labelled end-of-sequence token: the model will not learn to stop; raise"
                    + " max_length if samples are cut off, or add the token to the template");
        }
    }

    private static boolean isSpecial(Tokenizer tokenizer, int id) {
        int[] token = {id};
        return id == tokenizer.eosTokenId().orElse(-1)
                || (tokenizer.decode(token, true).isEmpty()
                        && !tokenizer.decode(token, false).isEmpty());
    }
}
