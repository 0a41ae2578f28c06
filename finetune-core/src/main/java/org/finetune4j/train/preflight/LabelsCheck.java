package org.finetune4j.train.preflight;

import java.util.List;

/** Every sample can be made and teaches something. */
public final class LabelsCheck implements PreflightCheck {

    private static final int SHOWN = 5;

    @Override
    public void check(PreflightContext context, Findings findings) {
        SampleSurvey survey = context.survey();
        context.surveys().forEach(looked -> report(looked.unreadable(), "", findings));
        report(
                survey.unlabelled(),
                ": no token carries a label, so the sample teaches nothing; give it an answer, or"
                        + " raise max_length if it was cut off",
                findings);
        SampleSurvey heldOut = context.evaluationSurvey();
        if (heldOut != null
                && heldOut.tokens() > 0
                && heldOut.unlabelled().size() == heldOut.leading().size()) {
            findings.error("no token of the held-out samples carries a label: there is nothing to measure; give them"
                    + " answers, or raise max_length if they were cut off");
        }
        if (survey.tokens() > 0 && survey.labelled() > 0 && survey.labelled() < survey.tokens() / 100) {
            findings.warning("fewer than 1% of all tokens carry a label (" + survey.labelled() + " of "
                    + survey.tokens() + "): most of the calculation teaches nothing; shorten the prompts");
        }
    }

    private static void report(List<String> places, String problem, Findings findings) {
        places.stream().limit(SHOWN).forEach(place -> findings.error(place + problem));
        if (places.size() > SHOWN) {
            findings.error("... and " + (places.size() - SHOWN) + " more samples like these");
        }
    }
}
