package org.finetune4j.dist.pipeline;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What a schedule would take if every stage took the same time: the clock, the memory and the bubble of a step, without a model.
 *
 * @param length of the step, in the units of the costs
 * @param bubble share of ranks' time in which they have nothing to do
 * @param inFlight for every rank the largest number of stages that have gone forwards and not yet back
 */
public record PipelineTimeline(double length, double bubble, List<Integer> inFlight) {

    /**
     * Plays a schedule.
     *
     * @param schedule the order of each rank
     * @param shape the sizes
     * @param forward what a stage takes forwards
     * @param backward what a stage takes backwards
     * @return what it takes
     * @throws IllegalStateException when ranks wait for each other for ever
     */
    public static PipelineTimeline of(PipelineSchedule schedule, PipelineShape shape, double forward, double backward) {
        List<List<PipelineAction>> actions = IntStream.range(0, shape.ranks())
                .mapToObj(rank -> schedule.actions(shape, rank))
                .toList();
        double[][][] done = new double[2][shape.stages()][shape.microBatches()];
        Arrays.stream(done).flatMap(Arrays::stream).forEach(times -> Arrays.fill(times, Double.NaN));
        int[] next = new int[shape.ranks()];
        double[] clock = new double[shape.ranks()];
        int[] held = new int[shape.ranks()];
        int[] most = new int[shape.ranks()];
        for (boolean moved = true; moved; ) {
            moved = false;
            for (int rank = 0; rank < shape.ranks(); rank++) {
                while (next[rank] < actions.get(rank).size()) {
                    PipelineAction action = actions.get(rank).get(next[rank]);
                    double ready = ready(action, shape.stage(rank, action.chunk()), shape.stages(), done);
                    if (Double.isNaN(ready)) {
                        break;
                    }
                    clock[rank] = Math.max(clock[rank], ready) + (action.isForward() ? forward : backward);
                    held[rank] += action.isForward() ? 1 : -1;
                    most[rank] = Math.max(most[rank], held[rank]);
                    done[action.isForward() ? 0 : 1][shape.stage(rank, action.chunk())][action.microBatch()] =
                            clock[rank];
                    next[rank]++;
                    moved = true;
                }
            }
        }
        for (int rank = 0; rank < shape.ranks(); rank++) {
            if (next[rank] < actions.get(rank).size()) {
                throw new IllegalStateException(schedule + " with " + shape + ": rank " + rank
                        + " waits for ever before " + actions.get(rank).get(next[rank]));
            }
        }
        double length = Arrays.stream(clock).max().orElse(0);
        double busy = shape.chunks() * shape.microBatches() * (forward + backward);
        return new PipelineTimeline(
                length, 1 - busy / length, Arrays.stream(most).boxed().toList());
    }

    /** When what an action needs is there; NaN where it is not yet. */
    private static double ready(PipelineAction action, int stage, int stages, double[][][] done) {
        int batch = action.microBatch();
        if (action.isForward()) {
            return stage == 0 ? 0 : done[0][stage - 1][batch];
        }
        return stage == stages - 1 ? done[0][stage][batch] : Math.max(done[0][stage][batch], done[1][stage + 1][batch]);
    }
}
