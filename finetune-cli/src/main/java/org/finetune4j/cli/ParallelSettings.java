package org.finetune4j.cli;

import java.util.OptionalInt;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.dist.pipeline.PipelineOptions;
import org.finetune4j.dist.pipeline.PipelineSchedule;
import org.jspecify.annotations.Nullable;

/**
 * What a configuration says of several devices. A training changes nothing by it but how it is spread.
 *
 * @param tensor over how many devices each matrix is split
 * @param pipeline over how many stages the layers are split
 * @param expert how many devices with different batches share out a mixture's experts
 * @param pipelineOptions how batches go through the stages
 * @param sequenceParallel whether devices that split matrices have some of the tokens each between the blocks
 * @param origin what messages call the configuration
 */
record ParallelSettings(
        int tensor,
        int pipeline,
        int expert,
        PipelineOptions pipelineOptions,
        boolean sequenceParallel,
        String origin) {

    private static final int LARGEST = 1 << 14;

    /**
     * Reads the keys.
     *
     * @throws UserErrorException for a size that cannot be, or something that is not built
     */
    static ParallelSettings of(Settings settings) {
        settings.has(DeepSpeedKeys.KEY); // has become the other keys
        return new ParallelSettings(
                settings.integer("tensor_parallel_size", 1, 1, LARGEST),
                settings.integer("pipeline_parallel_size", 1, 1, LARGEST),
                settings.integer("expert_parallel_size", 1, 1, LARGEST),
                pipelineOptions(settings),
                settings.flag("sequence_parallel", false),
                settings.origin());
    }

    private static PipelineOptions pipelineOptions(Settings settings) {
        PipelineSchedule schedule = PipelineSchedule.named(
                settings.origin() + ": 'pipeline_schedule'",
                settings.text("pipeline_schedule").orElse(PipelineSchedule.ONE_FORWARD_ONE_BACKWARD.toString()));
        PipelineOptions plain = PipelineOptions.of(schedule);
        int chunks = settings.integer("pipeline_chunks", plain.chunks(), 1, LARGEST);
        if (chunks > 1 && schedule != PipelineSchedule.INTERLEAVED) {
            throw new UserErrorException(settings.origin() + ": 'pipeline_chunks' is " + chunks
                    + ", but only pipeline_schedule: interleaved has several stages a rank");
        }
        return new PipelineOptions(schedule, chunks);
    }

    /**
     * The mesh of so many ranks.
     *
     * @param mesh as it was written on the command line, or null for what the configuration says
     * @throws UserErrorException when it does not fit the ranks, or both say different things
     */
    MeshShape shape(@Nullable String mesh, int ranks) {
        if (mesh == null) {
            return MeshShape.of(OptionalInt.empty(), pipeline, tensor, expert, ranks);
        }
        MeshShape shape = MeshShape.parse(mesh, ranks);
        if (differs(tensor, shape.tensor()) || differs(pipeline, shape.pipeline()) || differs(expert, shape.expert())) {
            throw new UserErrorException(
                    origin + ": " + sizes() + " do not fit --mesh " + shape + ": give one of them");
        }
        return shape;
    }

    private static boolean differs(int configured, int inMesh) {
        return configured > 1 && configured != inMesh;
    }

    private String sizes() {
        return "tensor_parallel_size " + tensor + " and pipeline_parallel_size " + pipeline
                + (expert == 1 ? "" : " and expert_parallel_size " + expert);
    }

    /**
     * A process that trains by itself has no others.
     *
     * @throws UserErrorException when the configuration asks for some
     */
    void requireAlone() {
        long devices = (long) tensor * pipeline * expert;
        if (devices > 1) {
            throw new UserErrorException(origin + ": " + sizes() + " need " + devices
                    + " devices: start them with ./finetune launch --nproc " + devices + " --local train " + origin);
        }
    }
}
