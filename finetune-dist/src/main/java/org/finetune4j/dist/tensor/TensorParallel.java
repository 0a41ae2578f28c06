package org.finetune4j.dist.tensor;

import java.nio.file.Path;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;

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
        this.partition = new TensorPartition(group, experts);
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
        return partition.group().size() == 1 ? options : options.withPartition(partition);
    }

    /** Frees what connects the layers. */
    @Override
    public void close() {
        partition.close();
    }
}
