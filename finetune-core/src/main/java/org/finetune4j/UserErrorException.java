package org.finetune4j;

import org.jspecify.annotations.Nullable;

/**
 * A mistake in what the user gave: a file, a key, a value. The message is one line that says what is wrong, where (file,
 * line or key), what was expected and, for a misspelt name, the nearest valid one. The command line prints exactly that
 * line and exits with code 2.
 */
public class UserErrorException extends FinetuneException {

    private static final long serialVersionUID = 1L;

    public UserErrorException(String message) {
        super(message);
    }

    public UserErrorException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
