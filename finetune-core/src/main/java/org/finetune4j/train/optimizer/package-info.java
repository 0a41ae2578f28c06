/** Optimizers, learning-rate schedules and gradient clipping, with PyTorch's and transformers' formulas. */
@NullMarked
package org.finetune4j.train.optimizer;

import org.jspecify.annotations.NullMarked;
