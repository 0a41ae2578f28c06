/** Partial fine-tuning: the first layers are frozen, the others train as a whole. */
@NullMarked
package org.finetune4j.peft.freeze;

import org.jspecify.annotations.NullMarked;
