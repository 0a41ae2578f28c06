package org.finetune4j.dist.zero;

import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A parameter that every rank has as a whole, and of which each updates a part. */
final class PartedParameter {

    private final Parameter whole;
    private final PartValue part;
    private final Parameter updated;
    private boolean touched;

    PartedParameter(Parameter whole, int rank, int ranks) {
        this.whole = whole;
        this.part = new PartValue(whole, rank, ranks);
        this.updated = new Parameter(whole.name(), part);
    }

    Parameter whole() {
        return whole;
    }

    PartValue part() {
        return part;
    }

    /** What this rank's optimizer is given: it knows the whole's name and shape. */
    Parameter updated() {
        return updated;
    }

    /** Whether a pass of this rank gave it a gradient in this step. */
    boolean isTouched() {
        return touched;
    }

    /** Takes the gradient of the whole; none where it has none. It stays until {@link #clearWhole}. */
    @Nullable
    Tensor gradient() {
        Tensor gradient = whole.grad();
        touched |= gradient != null;
        return gradient;
    }

    void clearWhole() {
        whole.clearGrad();
    }

    void clear() {
        whole.clearGrad();
        part.clearGrad();
        touched = false;
    }

    /**
     * Adds to the part what came to the gradient of the whole after it was summed: a method's own penalty, which all ranks
     * calculate alike.
     */
    void addRest() {
        Tensor rest = whole.grad();
        if (rest != null) {
            part.addGradient(part.of(rest.contiguous().view(-1)));
            whole.clearGrad();
        }
    }
}
