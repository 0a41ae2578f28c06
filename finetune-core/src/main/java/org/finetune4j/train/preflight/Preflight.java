package org.finetune4j.train.preflight;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.Services;
import org.finetune4j.UserErrorException;

/** Runs all checks: those of this library and any others on the class path. */
public final class Preflight {

    private Preflight() {}

    /**
     * {@return what the checks that every training has found}
     *
     * @param context what is to be trained, on what and how
     */
    public static Findings run(PreflightContext context) {
        return run(context, List.of());
    }

    /**
     * {@return what all checks found; a check that fails with a user's error has found that}
     *
     * @param context what is to be trained, on what and how
     * @param own checks of this kind of training
     */
    public static Findings run(PreflightContext context, List<PreflightCheck> own) {
        Findings findings = new Findings();
        List<PreflightCheck> checks = new ArrayList<>(Services.of(PreflightCheck.class));
        checks.addAll(own);
        for (PreflightCheck check : checks) {
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
     * @param own checks of this kind of training
     * @return the findings, warnings only
     * @throws UserErrorException for the first error, with the number of others
     */
    public static Findings require(PreflightContext context, List<PreflightCheck> own) {
        Findings findings = run(context, own);
        int errors = findings.errors().size();
        if (errors > 0) {
            String more = errors == 1 ? "" : " (and " + (errors - 1) + " more: ./finetune validate shows them all)";
            throw new UserErrorException(findings.errors().get(0) + more);
        }
        return findings;
    }
}
