package org.finetune4j.data;

/** A dataset in two parts that share no sample. */
public record DatasetSplit<T>(T train, T evaluation) {}
