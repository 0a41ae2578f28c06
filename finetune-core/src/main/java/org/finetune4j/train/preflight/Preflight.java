package org.finetune4j.train.preflight;

import java.util.ServiceLoader;
import org.finetune4j.UserErrorException;

/** Runs all checks: those of this library and any others on the class path. */
public final class Preflight {

    private Preflight() {}

    /**
     * {@return what all checks found; a check that fails with a user's error has found that}
     *
     * @param context what is to be trained, on what and how
     */
    public static Findings run(PreflightContext context) {
        Findings findings = new Findings();
        for (PreflightCheck check : ServiceLoader.load(PreflightCheck.class)) {
            try {
                check.check(context, findings);
            } catch (UserErrorException e) {
                findings.error(String.valueOf(e.getMessage()));
            }
        }
        return findings;
    }

    /**
     * Runs all checks and refuses to go on with an error.
     *
     * @param context what is to be trained, on what and how
     * @return the findings, warnings only
     * @throws UserErrorException for the first error, with the number of others
     */
    public static Findings require(PreflightContext context) {
        Findings findings = run(context);
        int errors = findings.errors().size();
        if (errors > 0) {
            String more = errors == 1 ? "" : " (and " + (errors - 1) + " more: ./finetune validate shows them all)";
            throw new UserErrorException(findings.errors().get(0) + more);
        }
        return findings;
    }
}
