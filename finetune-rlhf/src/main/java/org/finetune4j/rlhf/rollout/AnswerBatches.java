package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;

/**
 * Cuts answers into batches that go through the model together.
 *
 * @param collator pads rows
 * @param size answers in a batch
 */
record AnswerBatches(Collator collator, int size) {

    List<Batch> of(List<TrainedAnswer> answers) {
        List<Batch> batches = new ArrayList<>();
        for (int start = 0; start < answers.size(); start += size) {
            batches.add(AnswerRows.batch(answers.subList(start, Math.min(answers.size(), start + size)), collator));
        }
        return batches;
    }
}
