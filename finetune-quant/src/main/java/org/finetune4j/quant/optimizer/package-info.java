/** Optimizers whose states are in 8 bits, or in files. */
@NullMarked
package org.finetune4j.quant.optimizer;

import org.jspecify.annotations.NullMarked;
