package org.finetune4j.peft.auto;

import java.util.ArrayList;
import java.util.List;

/**
 * How a budget of steps is spent by successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943): all candidates train
 * a little, the best of them {@code reduction} times as long, and so on until one is left, which trains with what remains.
 * Every rung goes on from its checkpoints, so that a step is paid once.
 */
public final class SuccessiveHalving {

    private SuccessiveHalving() {}

    /**
     * Plans the rungs.
     *
     * @param candidates how many there are, at least 1
     * @param reduction of how many one goes on, at least 2
     * @param budget optimizer steps of all candidates together, at least {@link #leastBudget}
     * @return from all candidates to one; their steps add up to the budget exactly
     */
    public static List<Rung> plan(int candidates, int reduction, long budget) {
        long least = leastBudget(candidates, reduction);
        if (budget < least) {
            throw new IllegalArgumentException("a budget of " + budget + " steps is below " + least);
        }
        long unit = budget / least;
        List<Rung> rungs = new ArrayList<>();
        long steps = unit;
        long left = budget;
        long reached = 0;
        for (int count = candidates; count > 1; count = after(count, reduction)) {
            rungs.add(new Rung(count, steps));
            left -= count * (steps - reached);
            reached = steps;
            steps *= reduction;
        }
        rungs.add(new Rung(1, reached + left));
        return rungs;
    }

    /**
     * The smallest budget: one step for everybody in the first rung.
     *
     * @param candidates how many there are, at least 1
     * @param reduction of how many one goes on, at least 2
     * @return optimizer steps
     */
    public static long leastBudget(int candidates, int reduction) {
        if (candidates < 1 || reduction < 2) {
            throw new IllegalArgumentException("candidates " + candidates + ", reduction " + reduction);
        }
        long sum = 0;
        long steps = 1;
        long reached = 0;
        for (int count = candidates; count > 1; count = after(count, reduction)) {
            sum += count * (steps - reached);
            reached = steps;
            steps *= reduction;
        }
        return sum + steps - reached;
    }

    /**
     * How many trainings the rungs begin or go on with.
     *
     * @param candidates how many there are, at least 1
     * @param reduction of how many one goes on, at least 2
     * @return the sum of the rungs' candidates
     */
    public static int visits(int candidates, int reduction) {
        int visits = 1;
        for (int count = candidates; count > 1; count = after(count, reduction)) {
            visits += count;
        }
        return visits;
    }

    private static int after(int candidates, int reduction) {
        return (candidates + reduction - 1) / reduction;
    }
}
