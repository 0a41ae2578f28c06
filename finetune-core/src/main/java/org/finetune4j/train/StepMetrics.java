package org.finetune4j.train;

import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One optimizer step, after its update.
 *
 * @param step number of the step, from 1; a resumed run goes on counting
 * @param totalSteps optimizer steps of the whole run
 * @param epoch passes over the training data so far, as a fraction
 * @param loss the objective's, of a language model the cross entropy in nats; the mean over what the step's accumulated batch
 *     counts
 * @param learningRate learning rate that the step used
 * @param gradientNorm global L2 norm of the gradients before clipping
 * @param tokens tokens that went through the model in this step, padding left out
 * @param labelledTokens what the objective counts in this step: tokens that carry a label, or sequences of a classifier
 * @param tokensPerSecond {@code tokens} by the step's own wall time
 * @param elapsed wall time since this start of the run
 * @param dataWait how long the step waited for its batches, or for the model to answer where it is trained on its answers
 * @param metrics what the objectives and the source of the batches measured besides, by name
 */
public record StepMetrics(
        long step,
        long totalSteps,
        double epoch,
        double loss,
        double learningRate,
        double gradientNorm,
        long tokens,
        long labelledTokens,
        double tokensPerSecond,
        Duration elapsed,
        Duration dataWait,
        Map<String, Double> metrics) {

    /**
     * Copies the metrics.
     *
     * @param step number of the step, from 1
     * @param totalSteps optimizer steps of the whole run
     * @param epoch passes over the training data so far, as a fraction
     * @param loss the objective's, the mean over what it counts
     * @param learningRate learning rate that the step used
     * @param gradientNorm global L2 norm of the gradients before clipping
     * @param tokens tokens that went through the model in this step, padding left out
     * @param labelledTokens what the objective counts in this step
     * @param tokensPerSecond {@code tokens} by the step's own wall time
     * @param elapsed wall time since this start of the run
     * @param dataWait how long the step waited for its batches
     * @param metrics what the objectives and the source of the batches measured besides, by name
     */
    public StepMetrics {
        metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    }

    /**
     * A step that did not wait and measured nothing else.
     *
     * @param step number of the step, from 1
     * @param totalSteps optimizer steps of the whole run
     * @param epoch passes over the training data so far, as a fraction
     * @param loss the objective's, the mean over what it counts
     * @param learningRate learning rate that the step used
     * @param gradientNorm global L2 norm of the gradients before clipping
     * @param tokens tokens that went through the model in this step, padding left out
     * @param labelledTokens what the objective counts in this step
     * @param tokensPerSecond {@code tokens} by the step's own wall time
     * @param elapsed wall time since this start of the run
     */
    public StepMetrics(
            long step,
            long totalSteps,
            double epoch,
            double loss,
            double learningRate,
            double gradientNorm,
            long tokens,
            long labelledTokens,
            double tokensPerSecond,
            Duration elapsed) {
        this(
                step,
                totalSteps,
                epoch,
                loss,
                learningRate,
                gradientNorm,
                tokens,
                labelledTokens,
                tokensPerSecond,
                elapsed,
                Duration.ZERO,
                Map.of());
    }
}
