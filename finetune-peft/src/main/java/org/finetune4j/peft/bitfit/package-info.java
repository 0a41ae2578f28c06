/** BitFit: only biases train. */
@NullMarked
package org.finetune4j.peft.bitfit;

import org.jspecify.annotations.NullMarked;
