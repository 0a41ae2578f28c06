package org.finetune4j.dist.tensor;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.VocabularyShard;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * The words of one rank: as many as those of the others, or one more.
 *
 * @param division of the words
 * @param group stays the caller's
 */
record VocabularyDivision(Division division, Communicator group) implements VocabularyShard {

    @Override
    public long start() {
        return division.axis().ranges().get(division.rank()).get(0).start();
    }

    @Override
    public void sum(Tensor tensor) {
        group.allReduce(tensor, Reduction.SUM).await();
    }

    @Override
    public void max(Tensor tensor) {
        group.allReduce(tensor, Reduction.MAX).await();
    }

    @Override
    public Tensor gather(Tensor scores) {
        long[] shape = scores.shape();
        int last = shape.length - 1;
        List<Tensor> all = new ArrayList<>();
        for (int rank = 0; rank < group.size(); rank++) {
            shape[last] = division.axis().length(rank);
            Tensor part = rank == group.rank()
                    ? scores.detach().contiguous()
                    : Tensors.zeros(scores.dtype(), scores.device(), shape);
            group.broadcast(part, rank).await();
            all.add(part);
        }
        return Tensors.cat(all, last);
    }

    @Override
    public long whole() {
        return division.whole();
    }

    @Override
    public long length() {
        return division.length();
    }

    @Override
    public boolean isFirst() {
        return division.isFirst();
    }

    @Override
    public int copies() {
        return division.copies();
    }

    @Override
    public Tensor of(Tensor tensor, int dimension) {
        return division.of(tensor, dimension);
    }

    @Override
    public Tensor gather(Parameter parameter, int dimension, DType dtype) {
        return division.gather(parameter, dimension, dtype);
    }

    @Override
    public ParallelRegion region() {
        return division.region();
    }
}
