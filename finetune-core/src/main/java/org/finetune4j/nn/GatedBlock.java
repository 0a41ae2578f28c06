package org.finetune4j.nn;

import java.util.List;

/** A feed-forward block of projections that have the same input, one of them a gate, and one back. */
public abstract class GatedBlock extends FeedForward {

    /** {@return the projections in: gate and up, or one that has the features of both} */
    public abstract List<Linear> gateAndUp();

    /** {@return the projection back} */
    public abstract Linear down();
}
