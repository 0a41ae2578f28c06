package org.finetune4j.serve;

/** Nobody waits for the answer any more. */
final class ClientGoneException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    ClientGoneException() {
        super("the client went away");
    }

    ClientGoneException(Throwable cause) {
        super("the client went away", cause);
    }
}
