package org.finetune4j.dist.communicator;

import org.finetune4j.nn.ShardGatherer;
import org.finetune4j.tensor.Tensor;

/**
 * Brings the parts of sharded values together over a group.
 *
 * @param group whose ranks hold the parts
 */
public record CommunicatorGatherer(Communicator group) implements ShardGatherer {

    @Override
    public int rank() {
        return group.rank();
    }

    @Override
    public int ranks() {
        return group.size();
    }

    @Override
    public void allGather(Tensor part, Tensor whole) {
        group.allGather(part, whole).await();
    }

    @Override
    public void reduceScatter(Tensor whole, Tensor part) {
        group.reduceScatter(whole, part, Reduction.SUM).await();
    }
}
