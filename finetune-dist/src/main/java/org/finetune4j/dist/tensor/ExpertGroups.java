package org.finetune4j.dist.tensor;

import org.finetune4j.dist.communicator.Communicator;

/**
 * The groups of a rank that has some of a mixture's experts, and batches that others do not have. They stay the caller's.
 *
 * @param sharers ranks that share one set of experts out, with batches of their own
 * @param holders the same with their parts of matrices: the ranks of a tensor group follow each other
 * @param copies ranks with different batches that have the same experts
 */
public record ExpertGroups(Communicator sharers, Communicator holders, Communicator copies) {}
