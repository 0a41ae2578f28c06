package org.finetune4j.train.preflight;

/** Samples fit the model. */
public final class SequenceLengthCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        int limit = context.model().network().maxPositions();
        for (SampleSurvey survey : context.surveys()) {
            if (survey.longestSequence().value() > limit) {
                findings.error(survey.longestSequence().location() + ": the sample has "
                        + survey.longestSequence().value()
                        + " tokens, the model sees no more than " + limit + "; set max_length to " + limit
                        + " or less");
            } else if (survey.largestPosition().value() >= limit) {
                findings.error(survey.largestPosition().location() + ": the sample has the position "
                        + survey.largestPosition().value() + ", the model knows 0 to " + (limit - 1));
            }
        }
    }
}
