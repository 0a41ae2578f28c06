package org.finetune4j.generate.grammar;

import org.finetune4j.UserErrorException;

/** A grammar that no answer can be kept to: a mistake of whoever gave it, found out while the answer was made. */
public final class GrammarException extends UserErrorException {

    private static final long serialVersionUID = 1L;

    /**
     * Such a grammar.
     *
     * @param message one line: what is wrong with it
     */
    public GrammarException(String message) {
        super(message);
    }
}
