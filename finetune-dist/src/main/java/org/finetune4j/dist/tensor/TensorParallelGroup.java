package org.finetune4j.dist.tensor;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.zero.DataParallelMembership;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.TrainingGroup;

/**
 * Ranks that have shares of one model, in one or more copies that share the batches of every step. The communicators stay the caller's.
 *
 * @param world all ranks of the training
 * @param data those among them that have the same share and other batches
 * @param tensor what this rank's share was loaded by
 */
public record TensorParallelGroup(Communicator world, Communicator data, TensorParallel tensor)
        implements TrainingGroup {

    @Override
    public boolean isFirst() {
        return world.rank() == 0;
    }

    @Override
    public Membership join(CausalLM model, AttachedStrategy strategy, TrainingArguments arguments) {
        return new DataParallelMembership(world, data, tensor.parts(), model, strategy, arguments);
    }
}
