/** LoHa: an elementwise product of two low-rank products. */
@NullMarked
package org.finetune4j.peft.loha;

import org.jspecify.annotations.NullMarked;
