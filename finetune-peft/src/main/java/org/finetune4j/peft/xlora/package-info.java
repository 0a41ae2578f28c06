/** X-LoRA: a classifier mixes several LoRA adapters, token by token. */
@NullMarked
package org.finetune4j.peft.xlora;

import org.jspecify.annotations.NullMarked;
