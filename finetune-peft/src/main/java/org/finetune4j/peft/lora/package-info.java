/** Low-rank adaptation (Hu et al. 2021). */
@NullMarked
package org.finetune4j.peft.lora;

import org.jspecify.annotations.NullMarked;
