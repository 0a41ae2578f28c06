package org.finetune4j.dist.zero;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.TrainingGroup;

/**
 * Ranks that share the batches of every step, and what {@code zero_stage} says of the rest. The communicator stays the caller's.
 *
 * @param ranks all ranks of the training
 */
public record DataParallelGroup(Communicator ranks) implements TrainingGroup {

    @Override
    public boolean isFirst() {
        return ranks.rank() == 0;
    }

    @Override
    public Membership join(CausalLM model, AttachedStrategy strategy, TrainingArguments arguments) {
        return new DataParallelMembership(ranks, ranks, ModelParts.whole(), model, strategy, arguments);
    }
}
