package org.finetune4j.data;

/**
 * A dataset in two parts that share no sample.
 *
 * @param <T> the kind of dataset
 * @param train what is trained on
 * @param evaluation what is held out
 */
public record DatasetSplit<T>(T train, T evaluation) {}
