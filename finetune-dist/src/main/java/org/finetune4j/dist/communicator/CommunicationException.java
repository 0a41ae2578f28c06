package org.finetune4j.dist.communicator;

import java.io.Serial;
import org.finetune4j.FinetuneException;

/** Another rank has failed, is gone, or said nothing for too long; the message names it and why. */
public class CommunicationException extends FinetuneException {

    @Serial
    private static final long serialVersionUID = 1L;

    /**
     * A failed communication.
     *
     * @param message one line: which rank, what was under way, why
     */
    public CommunicationException(String message) {
        super(message);
    }
}
