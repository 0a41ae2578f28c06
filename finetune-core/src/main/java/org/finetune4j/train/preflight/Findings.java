package org.finetune4j.train.preflight;

import java.util.ArrayList;
import java.util.List;

/** What checks found, in one line each that says what to do. */
public final class Findings {

    private final List<String> errors = new ArrayList<>();
    private final List<String> warnings = new ArrayList<>();

    /**
     * Something that training cannot do with.
     *
     * @param message one line: what is wrong and what to change
     */
    public void error(String message) {
        errors.add(message);
    }

    /**
     * Something that is probably not meant.
     *
     * @param message one line: what is wrong and what to change
     */
    public void warning(String message) {
        warnings.add(message);
    }

    /** {@return what training cannot do with, in the order of finding} */
    public List<String> errors() {
        return List.copyOf(errors);
    }

    /** {@return what is probably not meant, in the order of finding} */
    public List<String> warnings() {
        return List.copyOf(warnings);
    }
}
