package org.finetune4j.dist.tensor;

import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The way into a region for layers that read one input one after the other: its gradient is added up once, for all of them. */
final class SharedEntry implements ParallelRegion {

    private final ParallelRegion region;
    private @Nullable Tensor last;
    private @Nullable Tensor entered;
    private boolean wasRecorded;

    SharedEntry(ParallelRegion region) {
        this.region = region;
    }

    @Override
    public Tensor enter(Tensor x) {
        // A checkpointed layer reads one tensor twice: the first time nobody records, and no gradient passes what that
        // time gave.
        boolean isRecorded = Autograd.isEnabled() && x.requiresGrad();
        if (x == last && entered != null && !entered.isClosed() && isRecorded == wasRecorded) {
            return entered;
        }
        Tensor inside = region.enter(x);
        last = x;
        entered = inside;
        wasRecorded = isRecorded;
        return inside;
    }

    @Override
    public Tensor leave(Tensor share) {
        return region.leave(share);
    }
}
