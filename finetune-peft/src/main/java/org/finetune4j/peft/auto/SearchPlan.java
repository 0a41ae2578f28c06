package org.finetune4j.peft.auto;

import java.util.List;

/**
 * What a search does.
 *
 * @param candidates in the order in which they are taken where there are too many
 * @param budget what may be spent
 * @param reduction of how many candidates one goes on, at least 2
 * @param count how many candidates train, or 0 for as many as the budget gives {@value #ENOUGH_STEPS} steps first, {@value
 *     #MOST} at most
 */
public record SearchPlan(List<Candidate> candidates, SearchBudget budget, int reduction, int count) {

    /** Fewer steps say little about a candidate. */
    static final int ENOUGH_STEPS = 8;

    /** As many as an unasked search tries. */
    static final int MOST = 18;

    /**
     * Copies the list.
     *
     * @param candidates in the order in which they are taken where there are too many
     * @param budget what may be spent
     * @param reduction of how many candidates one goes on, at least 2
     * @param count how many candidates train, or 0 for as many as the budget allows
     */
    public SearchPlan {
        candidates = List.copyOf(candidates);
    }

    /**
     * The plan for people, before it is known which candidates fit the model.
     *
     * @return one line
     */
    public String describe() {
        String space =
                "up to " + trained(candidates.size(), Long.MAX_VALUE) + " of " + candidates.size() + " candidates";
        if (budget.steps() == 0) {
            return space + " in " + budget.minutes() + " minutes";
        }
        int chosen = trained(candidates.size(), budget.steps());
        return chosen + " of " + candidates.size() + " candidates, " + budget.steps() + " steps: "
                + Rung.describe(SuccessiveHalving.plan(chosen, reduction, budget.steps()));
    }

    /**
     * How many of the usable candidates train.
     *
     * @param usable how many fit the model
     * @param steps of the whole budget
     * @return at least 1
     */
    int trained(int usable, long steps) {
        if (count > 0) {
            return Math.min(count, usable);
        }
        int chosen = Math.min(MOST, usable);
        while (chosen > 1 && SuccessiveHalving.leastBudget(chosen, reduction) * ENOUGH_STEPS > steps) {
            chosen--;
        }
        return chosen;
    }
}
