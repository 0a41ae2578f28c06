package org.finetune4j.dist.pipeline;

/**
 * How batches go through a pipeline.
 *
 * @param schedule the order in which ranks work
 * @param chunks how many stages a rank has; 1 unless the schedule is interleaved
 */
public record PipelineOptions(PipelineSchedule schedule, int chunks) {

    /**
     * Checks that they go together.
     *
     * @param schedule the order in which ranks work
     * @param chunks how many stages a rank has; 1 unless the schedule is interleaved
     */
    public PipelineOptions {
        if (chunks < 1 || (chunks > 1 && schedule != PipelineSchedule.INTERLEAVED)) {
            throw new IllegalArgumentException(schedule + " with " + chunks + " stages a rank");
        }
    }

    /**
     * One forwards, one backwards; interleaved with two stages a rank.
     *
     * @param schedule the order in which ranks work
     * @return the options that fit it
     */
    public static PipelineOptions of(PipelineSchedule schedule) {
        return new PipelineOptions(schedule, schedule == PipelineSchedule.INTERLEAVED ? 2 : 1);
    }
}
