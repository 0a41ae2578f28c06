package org.finetune4j.rlhf.distill;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.objective.Ranks;

/**
 * What a teacher says about samples, asked once and kept in files.
 *
 * @param settings where and how
 * @param parts samples by the name of their part of the data
 * @param named the teacher that the user names, or an empty text
 * @param teacher is opened where a file is missing, and closed again
 */
record StoredLogits(TopLogits.Settings settings, Map<String, TaughtSamples> parts, String named, TeacherModel teacher)
        implements AutoCloseable {

    /** Lets the samples bring it. */
    void know(CausalLM student, Ranks ranks) {
        try {
            parts.forEach((part, samples) -> {
                if (!samples.isKnown()) {
                    samples.know(
                            TopLogits.of(samples.source(), settings, part, named, () -> teacher.open(student), ranks));
                }
            });
        } finally {
            teacher.close();
        }
    }

    @Override
    public void close() {
        parts.values().forEach(TaughtSamples::close);
    }
}
