/** Distillation: a student learns to say what a teacher says, on records' answers or on its own. */
@NullMarked
package org.finetune4j.rlhf.distill;

import org.jspecify.annotations.NullMarked;
