package org.finetune4j.cli;

import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.dist.zero.DataParallelGroup;
import org.finetune4j.train.group.TrainingGroup;

/** How ranks of a mesh train one model. */
final class RankGroup {

    private RankGroup() {}

    /**
     * Refuses a mesh that nothing can be done with.
     *
     * @throws UserErrorException with what could be asked for
     */
    static void check(MeshShape shape) {
        if (shape.tensor() > 1 || shape.pipeline() > 1 || shape.expert() > 1) {
            throw new UserErrorException(
                    "mesh " + shape + ": a training by configuration shares data, states, gradients and"
                            + " weights (dp with zero_stage): expected dp=" + shape.ranks());
        }
    }

    /** The group of a rank. */
    static TrainingGroup of(MeshShape shape, Communicator world) {
        check(shape);
        return new DataParallelGroup(world);
    }
}
