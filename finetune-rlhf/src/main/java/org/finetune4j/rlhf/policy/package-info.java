/**
 * Learning from rewards: what a token earns, what an answer was worth, and the losses that make a policy of it. Formulas know
 * neither a model nor tensors; they work on answers of any lengths, an array each, without padding.
 */
@NullMarked
package org.finetune4j.rlhf.policy;

import org.jspecify.annotations.NullMarked;
