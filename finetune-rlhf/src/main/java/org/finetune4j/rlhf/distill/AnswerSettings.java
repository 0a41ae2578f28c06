package org.finetune4j.rlhf.distill;

import org.finetune4j.rlhf.rollout.SamplingOptions;

/**
 * Who writes the answers that are learned from.
 *
 * @param byStudent the share of batches whose answers the student draws itself, from 0 to 1: {@code lmbda} of TRL's {@code GKDConfig}
 * @param byTeacher whether the teacher writes all others; else they are the records' own
 * @param sampling how answers are drawn
 */
record AnswerSettings(double byStudent, boolean byTeacher, SamplingOptions sampling) {

    /** Whether every batch is written by a model, so that records need no answers. */
    boolean areAllWritten() {
        return byTeacher || byStudent == 1;
    }

    /** Whether any batch is. */
    boolean areWritten() {
        return byTeacher || byStudent > 0;
    }
}
