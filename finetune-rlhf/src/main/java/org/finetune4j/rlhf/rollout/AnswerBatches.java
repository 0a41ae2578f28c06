package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;

/**
 * Cuts answers into batches that go through the model together.
 *
 * @param collator pads rows
 * @param size answers in a batch
 * @param shares whether answers to one prompt may have its tokens once
 */
record AnswerBatches(Collator collator, int size, boolean shares) {

    /** Batches for a model. Experts whose use is balanced by the loss count a token as often as it is there: they share none. */
    static AnswerBatches of(CausalLM model, int size) {
        LoadBalancing balance = model.network().loadBalancing();
        boolean counted = balance != null && balance.addsToLoss();
        return new AnswerBatches(Collator.of(model), size, !counted);
    }

    List<Batch> of(List<TrainedAnswer> answers) {
        List<Batch> batches = new ArrayList<>();
        for (int start = 0; start < answers.size(); start += size) {
            batches.add(
                    AnswerRows.batch(answers.subList(start, Math.min(answers.size(), start + size)), collator, shares));
        }
        return batches;
    }
}
