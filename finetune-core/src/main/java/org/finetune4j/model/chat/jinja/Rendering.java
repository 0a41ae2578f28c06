package org.finetune4j.model.chat.jinja;

/** One run of a template: what it may cost, and where it is. */
final class Rendering {

    private final RenderBudget budget;
    private int line = 1;

    Rendering(RenderBudget budget) {
        this.budget = budget;
    }

    RenderBudget budget() {
        return budget;
    }

    /** The line of the template's tag that is at work. */
    int line() {
        return line;
    }

    void moveTo(int newLine) {
        line = newLine;
    }
}
