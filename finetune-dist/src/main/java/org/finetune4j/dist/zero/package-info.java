/** Ranks that share the data of a training, and by the stages of ZeRO its optimizer's states, gradients and weights. */
@NullMarked
package org.finetune4j.dist.zero;

import org.jspecify.annotations.NullMarked;
