package org.finetune4j.train.steps;

import java.util.Map;

/**
 * What an optimizer step gave, for the source of its batches.
 *
 * @param step number of the step, from 1
 * @param loss over all of the step's batches
 * @param gradientNorm global L2 norm of the gradients before clipping
 * @param metrics what the objectives measured, by name, averaged over the step
 */
public record StepOutcome(long step, double loss, double gradientNorm, Map<String, Double> metrics) {}
