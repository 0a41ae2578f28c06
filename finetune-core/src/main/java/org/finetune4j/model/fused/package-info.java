/** Decoder layers of Llama's shape without autograd: forward and backward by formula, in memory that stays from step to step. */
@NullMarked
package org.finetune4j.model.fused;

import org.jspecify.annotations.NullMarked;
