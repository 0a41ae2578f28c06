package org.finetune4j.model.chat.jinja;

import org.finetune4j.UserErrorException;

/**
 * What renderings may cost. A template is a program that somebody else wrote: it may loop, call itself, and make texts and
 * numbers of any size. So all of its work is counted in steps, about what it takes to look at a value or at sixteen characters, and all
 * that it makes in characters, before it is made. A conversation of 100,000 tokens in 1,000 messages takes a fiftieth of the
 * steps in most templates of real models, and finding its 500 answers a third of those for all renderings.
 */
final class RenderBudget {

    /** Of one rendering: some seconds. */
    private static final long MAX_STEPS = 40_000_000;
    /** Of all renderings that belong together, in steps of one. */
    private static final int RENDERINGS = 25;
    /** Of one rendering: at most 256 MiB, as a character has two bytes at most. */
    private static final long MAX_SIZE = 128L << 20;
    /** Fits the stack of a thread of ordinary size with room to spare. */
    private static final int MAX_DEPTH = 600;

    private static final int CHARACTERS_PER_STEP = 16;
    private static final int STEPS_FOR_VALUE = 5;
    /** What an element of a list takes beside its value, in characters. */
    private static final int ELEMENT = 8;
    /** What a text takes beside its characters. */
    private static final int OBJECT = 24;

    private final long maxSteps;
    private final long maxSize;
    private long stepsOfAll;
    private long granted;
    private long steps;
    private long size;
    private int depth;

    RenderBudget() {
        this(MAX_STEPS, MAX_SIZE);
    }

    /** A budget with other limits for one rendering. */
    RenderBudget(long maxSteps, long maxSize) {
        this.maxSteps = maxSteps;
        this.maxSize = maxSize;
        this.stepsOfAll = RENDERINGS * maxSteps;
    }

    /** The next of the renderings that belong together begins. */
    void begin() {
        stepsOfAll -= granted - steps;
        granted = Math.min(maxSteps, stepsOfAll);
        steps = granted;
        size = maxSize;
        depth = 0;
    }

    boolean isExhausted() {
        return stepsOfAll - (granted - steps) <= 0;
    }

    /** The part of what one rendering may cost that is left. */
    double left() {
        return Math.min((double) steps / maxSteps, (double) size / maxSize);
    }

    /** One more step. */
    void step() {
        steps(1);
    }

    void steps(long count) {
        steps -= count;
        if (steps < 0) {
            // What it would take has not been done.
            steps = 0;
            throw new UserErrorException(
                    granted < maxSteps
                            ? "finding the answers in what the chat template writes takes too many steps"
                            : "the chat template takes too many steps: more than " + maxSteps
                                    + " for one conversation");
        }
    }

    /** Characters are looked at. */
    void read(long characters) {
        steps(characters / CHARACTERS_PER_STEP);
    }

    /** Characters are about to be written, into the text or into a value. */
    void write(long characters) {
        size -= characters;
        if (size < 0) {
            throw new UserErrorException(
                    "the chat template makes too much text: more than " + maxSize + " characters for one conversation");
        }
        read(characters);
    }

    /** A text is about to be made that is a value of its own. */
    void text(long characters) {
        write(characters + OBJECT);
    }

    /** A list with so many elements is about to be made. */
    void elements(long count) {
        write(count * ELEMENT);
        steps(count);
    }

    /** A value inside of a value is looked at: {@link #leave} when that ends. */
    void descend() {
        steps(STEPS_FOR_VALUE);
        enter();
    }

    /** Something inside of something begins: {@link #leave} when it ends. */
    void enter() {
        step();
        if (++depth > MAX_DEPTH) {
            throw tooDeep();
        }
    }

    void leave() {
        depth--;
    }

    static UserErrorException tooDeep() {
        return new UserErrorException(
                "the chat template is nested too deeply: in its text, its macros that call themselves, or its values");
    }
}
