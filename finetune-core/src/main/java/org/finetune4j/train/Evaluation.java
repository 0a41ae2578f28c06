package org.finetune4j.train;

/** Measures a model while it is trained, on what it is not trained on. */
public interface Evaluation {

    /**
     * Measures the model as it is now.
     *
     * @param step optimizer steps done, for the record
     * @return what was measured
     */
    EvaluationMetrics evaluate(long step);

    /**
     * {@return what the model is measured on} A text, so that people see what differs: values that were measured on anything else
     * cannot be compared.
     */
    String fingerprint();
}
