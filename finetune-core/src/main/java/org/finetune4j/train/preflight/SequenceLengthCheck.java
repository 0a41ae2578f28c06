package org.finetune4j.train.preflight;

/** Samples fit the model. */
public final class SequenceLengthCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        int limit = context.model().network().maxPositions();
        if (context.survey().longest() > limit) {
            findings.error(context.survey().longestAt() + ": the sample has "
                    + context.survey().longest() + " tokens, the model sees no more than " + limit
                    + "; set max_length to " + limit + " or less");
        }
    }
}
