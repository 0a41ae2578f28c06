package org.finetune4j.dist.tensor;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.tensor.GradientHook;
import org.finetune4j.tensor.Tensor;

/** A region whose shares a group adds up: outputs on the way forwards, gradients of inputs on the way back. */
final class SumRegion implements ParallelRegion, AutoCloseable {

    private final Communicator group;
    private final GradientHook hook;

    /** @param group stays the caller's */
    SumRegion(Communicator group) {
        this.group = group;
        this.hook = new GradientHook(gradient -> sum(gradient.copy().contiguous()));
    }

    @Override
    public Tensor enter(Tensor x) {
        return group.size() == 1 ? x : hook.on(x);
    }

    @Override
    public Tensor leave(Tensor share) {
        if (group.size() == 1) {
            return share;
        }
        Tensor summand = share.contiguous();
        sum(summand.detach());
        return summand;
    }

    private Tensor sum(Tensor tensor) {
        group.allReduce(tensor, Reduction.SUM).await();
        return tensor;
    }

    @Override
    public void close() {
        hook.close();
    }
}
