package org.finetune4j.data.format;

/** An answer that people found good or bad, as KTO learns from it. */
public record UnpairedPreference(Supervised example, boolean desirable) implements Example {}
