package org.finetune4j.train.preflight;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.model.Tokenizer;

/**
 * Answers end as the model must end them, and say something before: one that is its end marker alone teaches to say
 * nothing, and an end marker that the tokenizer does not know in its place is learned letter by letter.
 */
public final class AnswerEndCheck implements PreflightCheck {

    private static final int SAMPLES = 64;

    /** More than any tokenizer needs to spell an end marker. */
    private static final int TAIL = 32;

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (!context.model().hasTokenizer()) {
            return;
        }
        Tokenizer tokenizer = context.model().tokenizer();
        emptyAnswers(context.survey().shortAnswers(), tokenizer).ifPresent(findings::warning);
        int looked = Math.min(SAMPLES, context.dataset().size());
        for (int i = 0; i < looked; i++) {
            int index = (int) ((long) i * context.dataset().size() / looked);
            Optional<String> spelled = spelledEnd(context, index, tokenizer);
            if (spelled.isPresent()) {
                findings.warning(context.dataset().location(index) + ": the answer ends in " + spelled.get()
                        + " as ordinary text, which the tokenizer cuts into pieces, so the model would learn its letters;"
                        + " take it out of answers and template, or mark the token in tokenizer.json as"
                        + " \"normalized\": false");
                return;
            }
        }
    }

    static Optional<String> emptyAnswers(Map<List<Integer>, SampleSurvey.Place> answers, Tokenizer tokenizer) {
        int count = 0;
        String first = "";
        for (Map.Entry<List<Integer>, SampleSurvey.Place> answer : answers.entrySet()) {
            int[] ids = answer.getKey().stream().mapToInt(id -> id).toArray();
            if (tokenizer.decode(ids, true).isBlank()) {
                first = count == 0 ? answer.getValue().first() : first;
                count += answer.getValue().count();
            }
        }
        return count == 0
                ? Optional.empty()
                : Optional.of(first + ": the answer is nothing but its end marker"
                        + (count == 1 ? "" : " (and " + (count - 1) + " more like it)")
                        + ", so the model would learn to say nothing; give it an answer, or leave the record out");
    }

    /** The text of the end marker where ordinary tokens spell it at the end of what is learned. */
    private static Optional<String> spelledEnd(PreflightContext context, int index, Tokenizer tokenizer) {
        if (tokenizer.eosTokenId().isEmpty()) {
            return Optional.empty();
        }
        try {
            return spelledEnd(context.dataset().get(index), tokenizer);
        } catch (UserErrorException e) {
            return Optional.empty(); // Another check says what is wrong with the sample.
        }
    }

    static Optional<String> spelledEnd(Sample sample, Tokenizer tokenizer) {
        int eos = tokenizer.eosTokenId().orElseThrow();
        String marker = tokenizer.decode(new int[] {eos}, false);
        int end = sample.length();
        while (end > 0 && (sample.labels()[end - 1] == Sample.IGNORE_INDEX || sample.inputIds()[end - 1] == eos)) {
            end--;
        }
        int[] tail = Arrays.copyOfRange(sample.inputIds(), Math.max(0, end - TAIL), end);
        boolean spelled = !marker.isEmpty()
                && tokenizer.decode(tail, false).stripTrailing().endsWith(marker)
                && Arrays.stream(tail).noneMatch(id -> id == eos);
        return spelled ? Optional.of("'" + marker + "'") : Optional.empty();
    }
}
