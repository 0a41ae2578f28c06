package org.finetune4j.model.hub;

import org.finetune4j.UserErrorException;

/** The hub gave no answer at all: no network, no such host, a connection that breaks each time. */
public final class HubUnreachableException extends UserErrorException {

    private static final long serialVersionUID = 1L;

    HubUnreachableException(String message, Throwable cause) {
        super(message, cause);
    }
}
