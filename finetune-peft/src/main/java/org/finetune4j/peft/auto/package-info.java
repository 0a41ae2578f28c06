/** Chooses method, size, targets and learning rate by trying them: successive halving over candidates on one budget. */
@NullMarked
package org.finetune4j.peft.auto;

import org.jspecify.annotations.NullMarked;
