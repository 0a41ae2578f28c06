package org.finetune4j.dist.pipeline;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;

/**
 * Which segments of a model's chain each stage has: the embedding is number 0, then come the layers, the last one is the head.
 *
 * @param starts the first segment of each stage, and the number of segments at the end
 */
public record StagePlan(List<Integer> starts) {

    /**
     * Copies the list.
     *
     * @param starts the first segment of each stage, and the number of segments at the end
     */
    public StagePlan {
        starts = List.copyOf(starts);
    }

    /**
     * Divides a chain so that the dearest stage is as cheap as can be, and the others are as alike as that allows. Every stage has a
     * layer.
     *
     * @param costs of the embedding, each layer and the head
     * @param stages how many on all ranks
     * @return the division
     * @throws UserErrorException when there are more stages than layers
     */
    public static StagePlan balanced(double[] costs, int stages) {
        int layers = costs.length - 2;
        if (stages > layers) {
            throw new UserErrorException(
                    "a pipeline of " + stages + " stages needs as many layers, but the model has " + layers
                            + ": lower pipeline_parallel_size (pp in a mesh), or pipeline_chunks of the interleaved schedule");
        }
        double[] sums = new double[layers + 1];
        for (int i = 0; i < layers; i++) {
            sums[i + 1] = sums[i] + costs[i + 1] + (i == 0 ? costs[0] : 0) + (i == layers - 1 ? costs[layers + 1] : 0);
        }
        double dearest = best(sums, stages, Double.POSITIVE_INFINITY, Math::max)[stages][layers];
        double allowed = dearest * (1 + 1e-9);
        double[][] squares = best(sums, stages, allowed, (before, stage) -> before + stage * stage);
        List<Integer> starts = new ArrayList<>();
        starts.add(costs.length);
        int end = layers;
        for (int stage = stages; stage > 1; stage--) {
            end = cut(sums, squares, stage, end, allowed);
            starts.add(0, end + 1);
        }
        starts.add(0, 0);
        return new StagePlan(starts);
    }

    /** How the cost of some stages and that of one more become one. */
    private interface Total {
        double of(double before, double stage);
    }

    /** [stages][layers]: the lowest total of so many stages that have the first so many layers. */
    private static double[][] best(double[] sums, int stages, double allowed, Total total) {
        int layers = sums.length - 1;
        double[][] best = new double[stages + 1][layers + 1];
        Arrays.stream(best).forEach(row -> Arrays.fill(row, Double.POSITIVE_INFINITY));
        best[0][0] = 0;
        for (int stage = 1; stage <= stages; stage++) {
            for (int end = stage; end <= layers; end++) {
                for (int from = stage - 1; from < end; from++) {
                    double own = sums[end] - sums[from];
                    if (own <= allowed) {
                        best[stage][end] = Math.min(best[stage][end], total.of(best[stage - 1][from], own));
                    }
                }
            }
        }
        return best;
    }

    /** Where the last of so many stages that have the first so many layers begins. */
    private static int cut(double[] sums, double[][] squares, int stage, int end, double allowed) {
        int found = end - 1;
        double least = Double.POSITIVE_INFINITY;
        for (int from = end - 1; from >= stage - 1; from--) {
            double own = sums[end] - sums[from];
            double total = squares[stage - 1][from] + own * own;
            if (own <= allowed && total < least) {
                least = total;
                found = from;
            }
        }
        return found;
    }

    /** {@return how many stages there are} */
    public int stages() {
        return starts.size() - 1;
    }

    /**
     * {@return the first segment of a stage}
     *
     * @param stage from 0
     */
    public int from(int stage) {
        return starts.get(stage);
    }

    /**
     * {@return the segment after the last one of a stage}
     *
     * @param stage from 0
     */
    public int to(int stage) {
        return starts.get(stage + 1);
    }

    /**
     * {@return the stage that has a segment}
     *
     * @param segment from 0
     */
    public int stageOf(int segment) {
        for (int stage = 0; stage < stages(); stage++) {
            if (segment < to(stage)) {
                return stage;
            }
        }
        throw new IndexOutOfBoundsException("segment " + segment + " of " + starts.get(stages()));
    }

    /** {@return the layers of each stage, for people: {@code 0-3, 4-7}} */
    public String layers() {
        List<String> ranges = new ArrayList<>();
        for (int stage = 0; stage < stages(); stage++) {
            int first = Math.max(from(stage), 1) - 1;
            int last = Math.min(to(stage), starts.get(stages()) - 1) - 2;
            ranges.add(first == last ? String.valueOf(first) : first + "-" + last);
        }
        return String.join(", ", ranges);
    }
}
