package org.finetune4j.train;

import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.steps.StepSource;

/**
 * What changes while a run goes on, and goes into its checkpoints.
 *
 * @param strategy with all that trains
 * @param optimizer of what trains
 * @param steps where the batches come from
 */
record RunState(AttachedStrategy strategy, Optimizer optimizer, StepSource steps) {}
