package org.finetune4j.train.preflight;

import org.finetune4j.data.Sample;

/** Tokenizer and samples belong to the model: every token has a row in the embedding, every label one in the output layer. */
public final class VocabularyCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        long rows = context.model().network().inputEmbedding().count();
        if (context.model().hasTokenizer() && context.model().tokenizer().vocabSize() > rows) {
            findings.error("the tokenizer has " + context.model().tokenizer().vocabSize()
                    + " tokens, the model's embedding has " + rows + " rows: they do not belong together");
            return;
        }
        long scores = context.model().network().outputLayer().outFeatures();
        for (SampleSurvey survey : context.surveys()) {
            if (survey.largestToken().value() >= rows) {
                findings.error(survey.largestToken().location() + ": the sample has the token "
                        + survey.largestToken().value() + ", the model's embedding has " + rows
                        + " rows: it was made for another model");
            } else if (survey.largestLabel().value() >= scores) {
                findings.error(survey.largestLabel().location() + ": the sample has the label "
                        + survey.largestLabel().value() + ", the model's output layer has " + scores
                        + " rows: a label is the id of a token, or " + Sample.IGNORE_INDEX);
            }
        }
    }
}
