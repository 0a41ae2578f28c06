package org.finetune4j.data;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;

/** Applies a {@link BadRecordPolicy} while files are looked through, and counts. For use by one thread. */
public final class BadRecords {

    /** Messages that are kept; the rest is only counted. */
    public static final int KEPT_MESSAGES = 20;

    private final BadRecordPolicy policy;
    private final List<String> messages = new ArrayList<>();
    private int count;

    /**
     * Counts from 0.
     *
     * @param policy what becomes of records that are wrong
     */
    public BadRecords(BadRecordPolicy policy) {
        this.policy = policy;
    }

    /** Refuses the first bad record. */
    static BadRecords refused() {
        return new BadRecords(BadRecordPolicy.ERROR);
    }

    /**
     * Notes a record that is left out.
     *
     * @throws UserErrorException the one given, under {@link BadRecordPolicy#ERROR}
     */
    void add(UserErrorException problem) {
        if (policy == BadRecordPolicy.ERROR) {
            throw problem;
        }
        count++;
        if (messages.size() < KEPT_MESSAGES) {
            messages.add(String.valueOf(problem.getMessage()));
        }
    }

    /**
     * Records that were left out.
     *
     * @return how many
     */
    public int count() {
        return count;
    }

    /** {@return why, one line each with file and line; the first {@value #KEPT_MESSAGES}} */
    public List<String> messages() {
        return List.copyOf(messages);
    }
}
