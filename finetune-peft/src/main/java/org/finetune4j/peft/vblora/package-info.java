/** VB-LoRA: low-rank matrices put together from a bank of vectors that all layers share. */
@NullMarked
package org.finetune4j.peft.vblora;

import org.jspecify.annotations.NullMarked;
