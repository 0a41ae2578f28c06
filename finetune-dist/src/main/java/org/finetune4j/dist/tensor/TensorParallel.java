package org.finetune4j.dist.tensor;

import java.nio.file.Path;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.dist.zero.DataParallelMembership;
import org.finetune4j.dist.zero.ModelParts;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A model whose matrices are divided among the ranks of a group (Shoeybi et al. 2019): each loads its share of the checkpoint, and
 * all run the same passes over the same batches.
 *
 * <pre>{@code
 * try (TensorParallel tensor = new TensorParallel(mesh.tensor(), ExpertDivision.SLICES);
 *      CausalLM share = tensor.load(directory, LoadOptions.defaults())) { ... }
 * }</pre>
 */
public final class TensorParallel implements AutoCloseable {

    private final TensorPartition partition;

    /**
     * Divides models among a group.
     *
     * @param group stays the caller's
     * @param experts how experts of a mixture are divided
     */
    public TensorParallel(Communicator group, ExpertDivision experts) {
        this(group, experts, false);
    }

    /**
     * Divides models among a group, and between the blocks of layers their tokens.
     *
     * @param group stays the caller's
     * @param experts how experts of a mixture are divided
     * @param dividesSequence whether every rank normalises and adds up some of the tokens (Korthikanti et al. 2022)
     */
    public TensorParallel(Communicator group, ExpertDivision experts, boolean dividesSequence) {
        this.partition = new TensorPartition(group, experts, null, dividesSequence);
    }

    /**
     * Divides models among a group, and whole experts of a mixture among groups that have batches of their own.
     *
     * @param group stays the caller's; of each expert that is here its ranks have a slice
     * @param experts with whom this rank shares experts out
     * @param dividesSequence whether every rank normalises and adds up some of the tokens
     */
    public TensorParallel(Communicator group, ExpertGroups experts, boolean dividesSequence) {
        this.partition = new TensorPartition(group, ExpertDivision.SLICES, experts, dividesSequence);
    }

    /**
     * Loads this rank's share of a model. All ranks of the group call it.
     *
     * @param directory of the checkpoint
     * @param options how to load it
     * @return the share, to be closed before this
     * @throws org.finetune4j.UserErrorException when the model cannot be divided so
     */
    public CausalLM load(Path directory, LoadOptions options) {
        return CausalLM.load(directory, options(options));
    }

    /**
     * Options that load this rank's share, for one model.
     *
     * @param options how to load it
     * @return the same with the share
     */
    public LoadOptions options(LoadOptions options) {
        boolean whole = partition.group().size() == 1 && partition.expertGroups() == null;
        return whole ? options : options.withPartition(partition);
    }

    /**
     * What the ranks of this group have of one model, for whoever counts and gathers.
     *
     * @return what {@link DataParallelMembership} asks
     */
    public ModelParts parts() {
        return new ModelParts() {
            @Override
            public double copies(Parameter parameter) {
                ParameterSlice slice = parameter.slice();
                return slice == null ? partition.group().size() : slice.axis().copies();
            }

            @Override
            public boolean isFirst() {
                return partition.group().rank() == 0;
            }

            @Override
            public double sum(double own) {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor number = Tensors.of(new double[] {own}, 1);
                    partition.group().allReduce(number, Reduction.SUM).await();
                    return number.item();
                }
            }

            @Override
            public void gatherWith(Gathering others) {
                partition.gatherWith(others);
            }

            @Override
            public @Nullable SharedExperts experts() {
                ExpertGroups groups = partition.expertGroups();
                return groups == null
                        ? null
                        : new SharedExperts(groups.sharers(), groups.copies(), partition::isOfSharedExpert);
            }
        };
    }

    /** Frees what connects the layers. */
    @Override
    public void close() {
        partition.close();
    }
}
