package org.finetune4j.rlhf.rewards;

import java.util.List;
import java.util.Objects;

/** Scores answers, many at once. It is asked by one thread at a time. */
public interface RewardSource extends AutoCloseable {

    /**
     * What reports call it.
     *
     * @return a short name
     */
    String name();

    /**
     * The scores of some answers.
     *
     * @param requests the answers
     * @return one finite number each, the more the better
     * @throws org.finetune4j.UserErrorException when they cannot be scored; the training then stops with a checkpoint
     */
    double[] scores(List<RewardRequest> requests);

    /**
     * Whether each rank of a training asks its own source, because a model scores the answers that all of them run. Otherwise the first rank
     * asks for all: a program runs, and a service is asked, as often as by one process.
     *
     * @return false unless a model scores
     */
    default boolean isOfEveryRank() {
        return false;
    }

    /** Frees what the source holds. */
    @Override
    default void close() {}

    /**
     * A source that scores answers one by one.
     *
     * @param name what reports call it
     * @param function scores one answer
     * @return the source
     */
    static RewardSource of(String name, RewardFunction function) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(function, "function");
        return new RewardSource() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public double[] scores(List<RewardRequest> requests) {
                return requests.stream().mapToDouble(function::score).toArray();
            }
        };
    }
}
