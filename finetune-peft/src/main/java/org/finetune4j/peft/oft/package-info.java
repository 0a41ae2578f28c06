/** Orthogonal fine-tuning: the input of a layer is turned block by block. */
@NullMarked
package org.finetune4j.peft.oft;

import org.jspecify.annotations.NullMarked;
