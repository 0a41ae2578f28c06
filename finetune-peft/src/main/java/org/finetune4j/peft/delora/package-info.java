/** DeLoRA: LoRA whose directions have fixed lengths and whose strength is learned apart. */
@NullMarked
package org.finetune4j.peft.delora;

import org.jspecify.annotations.NullMarked;
