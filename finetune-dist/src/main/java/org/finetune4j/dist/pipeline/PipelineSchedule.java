package org.finetune4j.dist.pipeline;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.pipeline.PipelineAction.Kind;

/**
 * The order in which a rank of a pipeline works on the batches of a step. It depends on the sizes alone; all ranks work out their
 * own and wait for each other's results.
 */
public enum PipelineSchedule {
    /** All batches forwards, then all backwards (Huang et al. 2019): every batch is in memory at once. */
    GPIPE("gpipe"),
    /**
     * One forwards, one backwards (Narayanan et al. 2019): a rank has no more batches in memory than there are ranks from it to the
     * last one.
     */
    ONE_FORWARD_ONE_BACKWARD("1f1b"),
    /**
     * The same with several stages a rank (Narayanan et al. 2021): the bubble is shorter by their number, more is sent and kept.
     * Batches
     * go in equal groups of at least as many as there are ranks: a smaller last group would have ranks wait for each other for ever.
     */
    INTERLEAVED("interleaved");

    private final String name;

    PipelineSchedule(String name) {
        this.name = name;
    }

    /**
     * The schedule of a name.
     *
     * @param origin where the name was written, for the message
     * @param name as in {@link #toString()}
     * @return the schedule
     * @throws UserErrorException when there is none
     */
    public static PipelineSchedule named(String origin, String name) {
        return Arrays.stream(values())
                .filter(schedule -> schedule.name.equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException(origin + ": no schedule '" + name + "'"
                        + Suggestions.among(
                                name,
                                Arrays.stream(values())
                                        .map(PipelineSchedule::toString)
                                        .toList())));
    }

    /**
     * {@return the order in which a rank works}
     *
     * @param shape the sizes of the step; several chunks only where the schedule is {@link #INTERLEAVED}
     * @param rank of the pipeline
     */
    public List<PipelineAction> actions(PipelineShape shape, int rank) {
        if (this != INTERLEAVED && shape.chunks() > 1) {
            throw new IllegalArgumentException(name + " has one stage a rank, not " + shape.chunks());
        }
        List<PipelineAction> forward = inGroups(shape, Kind.FORWARD);
        List<PipelineAction> backward = inGroups(shape, Kind.BACKWARD);
        int ahead = Math.min(ahead(shape, rank), forward.size());
        List<PipelineAction> actions = new ArrayList<>(forward.subList(0, ahead));
        for (int i = 0; i < backward.size(); i++) {
            if (ahead + i < forward.size()) {
                actions.add(forward.get(ahead + i));
            }
            actions.add(backward.get(i));
        }
        return List.copyOf(actions);
    }

    /** How many stages go forwards before the first one goes forwards and backwards in turn. */
    private int ahead(PipelineShape shape, int rank) {
        int after = shape.ranks() - 1 - rank;
        return switch (this) {
            case GPIPE -> shape.microBatches();
            case ONE_FORWARD_ONE_BACKWARD -> after;
            case INTERLEAVED -> shape.chunks() == 1 ? after : 2 * after + (shape.chunks() - 1) * group(shape);
        };
    }

    /** How many batches go together: the smallest number from that of the ranks on into which all can be divided. */
    private static int group(PipelineShape shape) {
        return IntStream.rangeClosed(Math.min(shape.ranks(), shape.microBatches()), shape.microBatches())
                .filter(size -> shape.microBatches() % size == 0)
                .findFirst()
                .orElseThrow();
    }

    /** Groups of batches, each through all chunks of a rank before the next one: the last chunk first on the way back. */
    private static List<PipelineAction> inGroups(PipelineShape shape, Kind kind) {
        List<PipelineAction> actions = new ArrayList<>();
        int group = group(shape);
        for (int start = 0; start < shape.microBatches(); start += group) {
            for (int i = 0; i < shape.chunks(); i++) {
                int chunk = kind == Kind.FORWARD ? i : shape.chunks() - 1 - i;
                for (int batch = start; batch < start + group; batch++) {
                    actions.add(new PipelineAction(kind, batch, chunk));
                }
            }
        }
        return actions;
    }

    /** {@return the name in configurations} */
    @Override
    public String toString() {
        return name;
    }
}
