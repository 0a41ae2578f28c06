/** The files of bitsandbytes. */
@NullMarked
package org.finetune4j.quant.bitsandbytes;

import org.jspecify.annotations.NullMarked;
