package org.finetune4j;

import org.jspecify.annotations.Nullable;

/**
 * Base of every exception this library throws on purpose. Unchecked, like all of them. Every message is one line of less
 * than 2,000 characters, whatever it quotes.
 */
public class FinetuneException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /**
     * A failure with nothing behind it.
     *
     * @param message what is wrong
     */
    public FinetuneException(String message) {
        super(Reasons.line(message));
    }

    /**
     * A failure that another one led to.
     *
     * @param message what is wrong
     * @param cause what led to it, or null
     */
    public FinetuneException(String message, @Nullable Throwable cause) {
        super(Reasons.line(message), cause);
    }
}
