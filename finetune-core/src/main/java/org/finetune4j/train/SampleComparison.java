package org.finetune4j.train;

import org.jspecify.annotations.Nullable;

/**
 * A prompt and what the model made of it before and after training.
 *
 * @param prompt what the model was given
 * @param expected the reference answer, where there is one
 * @param before its answer before training
 * @param after its answer after training
 */
public record SampleComparison(String prompt, @Nullable String expected, String before, String after) {}
