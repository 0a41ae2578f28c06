package org.finetune4j.model.chat.jinja;

import java.time.ZoneId;
import java.time.ZonedDateTime;

/**
 * Renderings that belong together, such as those that find the answers in one conversation: they see the same time, and
 * what they may cost is bounded as a whole. For one thread.
 */
public final class RenderSession {

    private final ZonedDateTime now;
    private final RenderBudget budget;

    private RenderSession(ZonedDateTime now, RenderBudget budget) {
        this.now = now;
        this.budget = budget;
    }

    /**
     * A session at the present time.
     *
     * @return a new one
     */
    public static RenderSession start() {
        return at(ZonedDateTime.now(ZoneId.systemDefault()));
    }

    /**
     * A session at another time.
     *
     * @param now what templates are told that ask for the time
     * @return a new one
     */
    public static RenderSession at(ZonedDateTime now) {
        return new RenderSession(now, new RenderBudget());
    }

    /**
     * A session at the present time with other limits than the usual ones.
     *
     * @param maxSteps of one rendering, about so many values looked at; all together may take 25 times as many
     * @param maxSize of one rendering, in characters made
     * @return a new one
     */
    public static RenderSession limited(long maxSteps, long maxSize) {
        return new RenderSession(ZonedDateTime.now(ZoneId.systemDefault()), new RenderBudget(maxSteps, maxSize));
    }

    /**
     * Whether its renderings together have taken all that they may cost.
     *
     * @return true when no other one can be made
     */
    public boolean isExhausted() {
        return budget.isExhausted();
    }

    ZonedDateTime now() {
        return now;
    }

    RenderBudget budget() {
        return budget;
    }
}
