package org.finetune4j;

import org.jspecify.annotations.Nullable;

/** Base of every exception this library throws on purpose. Unchecked, like all of them. */
public class FinetuneException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    public FinetuneException(String message) {
        super(message);
    }

    public FinetuneException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
