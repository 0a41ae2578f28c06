/** Reward models: one number for an answer, learned from pairs of which people preferred one. */
@NullMarked
package org.finetune4j.rlhf.reward;

import org.jspecify.annotations.NullMarked;
