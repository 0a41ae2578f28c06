package org.finetune4j.data.format;

/**
 * Two answers to one prompt, of which people preferred the first. Both have the same prompt.
 *
 * @param chosen the prompt with the better answer
 * @param rejected the same prompt with the other one
 */
public record PreferencePair(Supervised chosen, Supervised rejected) implements Example {}
