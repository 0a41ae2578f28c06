/** AdaLoRA: LoRA in the form of a singular value decomposition, with ranks given by importance. */
@NullMarked
package org.finetune4j.peft.adalora;

import org.jspecify.annotations.NullMarked;
