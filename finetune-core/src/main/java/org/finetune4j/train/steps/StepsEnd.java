package org.finetune4j.train.steps;

/**
 * Why a source has no more steps.
 *
 * @param collapsed whether going on would make the model worse
 * @param explanation one line for people; of a collapse, which sign was seen and where
 */
public record StepsEnd(boolean collapsed, String explanation) {

    /**
     * All is done that there was to do.
     *
     * @param explanation one line for people
     * @return the end
     */
    public static StepsEnd complete(String explanation) {
        return new StepsEnd(false, explanation);
    }

    /**
     * The model collapses: its reward rises while it leaves the reference behind, its answers become one.
     *
     * @param explanation one line for people: which sign was seen and where
     * @return the end
     */
    public static StepsEnd collapse(String explanation) {
        return new StepsEnd(true, explanation);
    }
}
