package org.finetune4j.train.preflight;

/**
 * Looks for one kind of mistake before a training. Implementations are named in {@code META-INF/services}: a new check is one
 * new file.
 */
@FunctionalInterface
public interface PreflightCheck {

    /**
     * Looks, and adds what it found.
     *
     * @param context what is to be trained, on what and how
     * @param findings to add to
     */
    void check(PreflightContext context, Findings findings);
}
