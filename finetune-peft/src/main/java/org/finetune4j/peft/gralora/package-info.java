/** GraLoRA: a low-rank product for each pair of an input block and an output block. */
@NullMarked
package org.finetune4j.peft.gralora;

import org.jspecify.annotations.NullMarked;
