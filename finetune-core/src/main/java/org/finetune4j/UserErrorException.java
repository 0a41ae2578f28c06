package org.finetune4j;

import org.jspecify.annotations.Nullable;

/**
 * A mistake in what the user gave: a file, a key, a value. The message is one line that says what is wrong, where (file,
 * line or key), what was expected and, for a misspelt name, the nearest valid one. The command line prints exactly that
 * line and exits with code 2.
 */
public class UserErrorException extends FinetuneException {

    private static final long serialVersionUID = 1L;

    /**
     * A mistake that nothing else reported.
     *
     * @param message one line: what is wrong, where, and what was expected
     */
    public UserErrorException(String message) {
        super(message);
    }

    /**
     * A mistake that something else stumbled over.
     *
     * @param message one line: what is wrong, where, and what was expected
     * @param cause what was thrown, or null
     */
    public UserErrorException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
