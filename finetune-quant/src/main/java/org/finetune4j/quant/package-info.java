/** Weights in 4 and 8 bits (QLoRA, Dettmers et al. 2023; LLM.int8, Dettmers et al. 2022). */
@NullMarked
package org.finetune4j.quant;

import org.jspecify.annotations.NullMarked;
