/** RandLoRA: trained scales of many random low-rank products, which together have full rank. */
@NullMarked
package org.finetune4j.peft.randlora;

import org.jspecify.annotations.NullMarked;
