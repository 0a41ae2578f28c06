package org.finetune4j.train;

import org.finetune4j.UserErrorException;

/** A training whose loss or gradient is no number any more: with its settings it cannot go on, with others it could. */
public final class DivergedException extends UserErrorException {

    private static final long serialVersionUID = 1L;

    /**
     * A training that cannot go on.
     *
     * @param message one line: which step, where the first bad number is, and what to change
     */
    public DivergedException(String message) {
        super(message);
    }
}
