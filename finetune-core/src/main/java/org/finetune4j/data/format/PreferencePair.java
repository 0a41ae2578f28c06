package org.finetune4j.data.format;

/** Two answers to one prompt, of which people preferred the first. Both have the same prompt. */
public record PreferencePair(Supervised chosen, Supervised rejected) implements Example {}
