/** Loops over native memory, written in Java, on several threads. */
@NullMarked
package org.finetune4j.quant.kernel;

import org.jspecify.annotations.NullMarked;
