package org.finetune4j.train.preflight;

import org.finetune4j.train.memory.MemoryPlan;
import org.jspecify.annotations.Nullable;

/**
 * What is known before a training starts.
 *
 * @param samples training samples in all
 * @param survey what looking at them gave
 * @param memory what the run will need
 * @param findings what is wrong
 * @param sample the first sample's text with the trained tokens marked, or null without a tokenizer
 * @param sampleLocation where it came from
 */
public record PreflightReport(
        int samples,
        SampleSurvey survey,
        MemoryPlan memory,
        Findings findings,
        @Nullable String sample,
        String sampleLocation) {}
