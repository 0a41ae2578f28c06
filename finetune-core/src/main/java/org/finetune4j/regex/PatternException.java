package org.finetune4j.regex;

/** A text that is no pattern, or one that no automaton within bounds reads. */
public final class PatternException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    PatternException(String reason) {
        super(reason);
    }
}
