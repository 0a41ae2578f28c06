package org.finetune4j.train.preflight;

/** The tokenizer belongs to the model: every token has a row in the embedding. */
public final class VocabularyCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        long rows = context.model().network().inputEmbedding().count();
        if (context.model().hasTokenizer() && context.model().tokenizer().vocabSize() > rows) {
            findings.error("the tokenizer has " + context.model().tokenizer().vocabSize()
                    + " tokens, the model's embedding has " + rows + " rows: they do not belong together");
        }
    }
}
