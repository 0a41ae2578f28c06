package org.finetune4j.rlhf.http;

/** An answer of a service that cannot be used. */
public final class UnusableAnswerException extends Exception {

    private static final long serialVersionUID = 1;

    private final boolean worthAnotherTry;

    /**
     * An answer that cannot be used.
     *
     * @param message what is wrong with it
     * @param worthAnotherTry whether the next one may be better
     */
    public UnusableAnswerException(String message, boolean worthAnotherTry) {
        super(message);
        this.worthAnotherTry = worthAnotherTry;
    }

    boolean isWorthAnotherTry() {
        return worthAnotherTry;
    }
}
