/** The difference between two checkpoints of one model, kept in a file of its own and put onto the base again. */
@NullMarked
package org.finetune4j.peft.delta;

import org.jspecify.annotations.NullMarked;
