package org.finetune4j.train;

import org.finetune4j.data.InstructionSamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.evaluation.Answers;
import org.finetune4j.train.evaluation.Questions;

/** The share of prompts that a model answers with exactly the expected text. */
public final class ExactMatch {

    private ExactMatch() {}

    /**
     * Answers every prompt greedily, several at once.
     *
     * @param model with a tokenizer
     * @param samples with prompts and expected answers
     * @param batchSize prompts that are answered together
     * @param maxNewTokens where an answer that does not end is cut off
     * @return from 0 to 1
     */
    public static double of(CausalLM model, InstructionSamples samples, int batchSize, int maxNewTokens) {
        return Answers.of(model, Questions.of(samples, model.tokenizer()).orElseThrow(), batchSize, maxNewTokens)
                .exactMatch();
    }
}
