package org.finetune4j.cli;

import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.mesh.Mesh;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.dist.tensor.ExpertDivision;
import org.finetune4j.dist.tensor.TensorParallel;
import org.finetune4j.dist.tensor.TensorParallelGroup;
import org.finetune4j.dist.zero.DataParallelGroup;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.train.group.TrainingGroup;

/** How ranks of a mesh train one model, as one of them sees them. */
final class RankGroup implements AutoCloseable {

    private final Communicator world;
    private final Mesh mesh;
    private final TensorParallel tensor;

    /**
     * Makes the groups of a mesh. All ranks call it.
     *
     * @param world stays the caller's, and is closed after this
     * @throws UserErrorException with what could be asked for
     */
    RankGroup(MeshShape shape, Communicator world) {
        check(shape);
        this.world = world;
        this.mesh = new Mesh(shape, world);
        this.tensor = new TensorParallel(mesh.tensor(), ExpertDivision.SLICES);
    }

    /**
     * Refuses a mesh that nothing can be done with.
     *
     * @throws UserErrorException with what could be asked for
     */
    static void check(MeshShape shape) {
        if (shape.pipeline() > 1 || shape.expert() > 1) {
            throw new UserErrorException(
                    "mesh " + shape + ": a training by configuration shares data, states, gradients"
                            + " and weights (dp with zero_stage) and matrices (tp): expected dp="
                            + shape.ranks() / shape.tensor()
                            + ",tp=" + shape.tensor());
        }
    }

    /** What this rank loads of the model. */
    LoadOptions share(LoadOptions options) {
        return tensor.options(options);
    }

    /** The ranks as a training sees them. */
    TrainingGroup training() {
        return mesh.shape().tensor() == 1
                ? new DataParallelGroup(world)
                : new TensorParallelGroup(world, mesh.data(), tensor);
    }

    @Override
    public void close() {
        tensor.close();
        mesh.close();
    }
}
