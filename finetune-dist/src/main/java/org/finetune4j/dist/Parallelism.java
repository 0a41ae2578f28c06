package org.finetune4j.dist;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.mesh.Mesh;
import org.finetune4j.dist.mesh.MeshGroup;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.dist.pipeline.PipelineGroup;
import org.finetune4j.dist.pipeline.PipelineOptions;
import org.finetune4j.dist.ranks.Ranks;
import org.finetune4j.dist.tensor.ExpertDivision;
import org.finetune4j.dist.tensor.ExpertGroups;
import org.finetune4j.dist.tensor.TensorParallel;
import org.finetune4j.dist.tensor.TensorParallelGroup;
import org.finetune4j.dist.zero.DataParallelGroup;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.train.group.TrainingGroup;

/**
 * How ranks of a mesh train one model, as one of them sees them. A model is divided in one order: matrices while it is loaded
 * ({@link #share}), and when its training begins ({@link #training}) layers into stages and then, by {@code zero_stage}, what is left
 * on a rank among those that share the data. Which activations are kept is up to the training's arguments, stage by stage.
 *
 * <pre>{@code
 * try (Parallelism ranks = new Parallelism(MeshShape.parse("dp=2,tp=2,pp=2", 8), world, options);
 *      CausalLM model = CausalLM.load(directory, ranks.share(LoadOptions.defaults()))) {
 *     FineTuner.of(model).group(ranks.training()). ... .train();
 * }
 * }</pre>
 */
public final class Parallelism implements AutoCloseable {

    private final Communicator world;
    private final Mesh mesh;
    private final TensorParallel tensor;
    private final PipelineOptions pipeline;

    /**
     * Makes the groups of a mesh. All ranks call it.
     *
     * @param shape takes every rank
     * @param world stays the caller's, and is closed after this
     * @param pipeline how batches go through the stages, where there are several
     */
    public Parallelism(MeshShape shape, Communicator world, PipelineOptions pipeline) {
        this(shape, world, pipeline, false);
    }

    /**
     * Makes the groups of a mesh. All ranks call it.
     *
     * @param shape takes every rank
     * @param world stays the caller's, and is closed after this
     * @param pipeline how batches go through the stages, where there are several
     * @param dividesSequence whether ranks that share matrices have some of the tokens each between the blocks
     */
    public Parallelism(MeshShape shape, Communicator world, PipelineOptions pipeline, boolean dividesSequence) {
        this.world = world;
        this.pipeline = pipeline;
        this.mesh = new Mesh(shape, world);
        this.tensor = shape.expert() == 1
                ? new TensorParallel(mesh.tensor(), ExpertDivision.SLICES, dividesSequence)
                : new TensorParallel(
                        mesh.tensor(),
                        new ExpertGroups(
                                mesh.expert(), mesh.group(MeshGroup.EXPERT_HOLDERS), mesh.group(MeshGroup.EXPERT_DATA)),
                        dividesSequence);
    }

    /**
     * What this rank loads of the model.
     *
     * @param options how to load it
     * @return the same with this rank's slices, on this rank's GPU if it is to be on one
     */
    public LoadOptions share(LoadOptions options) {
        return tensor.options(options.withDevice(Ranks.device(world, options.device())));
    }

    /** {@return the ranks as a training sees them} */
    public TrainingGroup training() {
        if (mesh.shape().pipeline() > 1) {
            return new PipelineGroup(mesh, tensor.parts(), pipeline);
        }
        return mesh.shape().tensor() == 1 && mesh.shape().expert() == 1
                ? new DataParallelGroup(world)
                : new TensorParallelGroup(world, mesh.data(), tensor);
    }

    @Override
    public void close() {
        tensor.close();
        mesh.close();
    }
}
