package org.finetune4j.dist.tensor;

import java.util.List;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.dist.tensor.Division.Axis;
import org.finetune4j.dist.tensor.Division.Range;
import org.finetune4j.dist.zero.ModelParts.Gathering;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Brings the slices of a parameter together. Usually all ranks ask for the same one at the same time; while the first rank works
 * for all, it asks the others for what it needs.
 */
final class SliceGathering {

    private final Communicator group;
    private Gathering others = (parameter, exchange) -> exchange.get();

    /** @param group stays the caller's */
    SliceGathering(Communicator group) {
        this.group = group;
    }

    /** From now on the others may have to be told. */
    void with(Gathering howOthersHelp) {
        others = howOthersHelp;
    }

    /** The whole values, on every rank. */
    Tensor gather(Parameter parameter, int dimension, DType dtype, Axis axis) {
        return others.of(parameter, () -> exchange(parameter, dimension, axis)).to(dtype);
    }

    /** Adds up what all ranks have found, on every rank. */
    void sum(Tensor tensor) {
        group.allReduce(tensor.detach(), Reduction.SUM).await();
    }

    /** In the type that the parameter has: others do not know which one is asked for. */
    private Tensor exchange(Parameter parameter, int dimension, Axis axis) {
        DType dtype = parameter.dtype();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor own = parameter.form().as(dtype).detach().contiguous();
            long[] shape = own.shape();
            shape[dimension] = axis.whole();
            Tensor whole = Tensors.zeros(dtype, own.device(), shape);
            for (int rank = 0; rank < group.size(); rank++) {
                if (axis.isFirst(rank) && axis.length(rank) > 0) {
                    shape[dimension] = axis.length(rank);
                    Tensor part = rank == group.rank() ? own : Tensors.zeros(dtype, own.device(), shape);
                    group.broadcast(part, rank).await();
                    place(part, axis.ranges().get(rank), dimension, whole);
                }
            }
            return scope.keep(whole);
        }
    }

    private static void place(Tensor part, List<Range> ranges, int dimension, Tensor whole) {
        long from = 0;
        for (Range range : ranges) {
            whole.narrow(dimension, range.start(), range.length())
                    .copyInPlace(part.narrow(dimension, from, range.length()));
            from += range.length();
        }
    }
}
