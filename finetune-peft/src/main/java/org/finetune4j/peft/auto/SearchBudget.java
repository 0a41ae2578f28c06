package org.finetune4j.peft.auto;

import org.finetune4j.UserErrorException;

/**
 * What a search may spend.
 *
 * @param steps optimizer steps of all candidates together, or 0 where minutes decide
 * @param minutes about how long it may take, or 0 where steps decide
 */
public record SearchBudget(long steps, double minutes) {

    /**
     * Checks the numbers.
     *
     * @param steps optimizer steps of all candidates together, or 0 where minutes decide
     * @param minutes about how long it may take, or 0 where steps decide
     * @throws UserErrorException unless one of them is above 0
     */
    public SearchBudget {
        if ((steps > 0) == (minutes > 0) || steps < 0 || minutes < 0) {
            throw new UserErrorException(
                    "a search has a budget of steps or of minutes, above 0: set budget_steps, or" + " budget_minutes");
        }
    }

    /**
     * A budget of steps.
     *
     * @param steps of all candidates together, at least 1
     * @return the budget
     */
    public static SearchBudget ofSteps(long steps) {
        return new SearchBudget(steps, 0);
    }

    /**
     * A budget of time, from which steps are made once the first ones were measured.
     *
     * @param minutes above 0
     * @return the budget
     */
    public static SearchBudget ofMinutes(double minutes) {
        return new SearchBudget(0, minutes);
    }
}
