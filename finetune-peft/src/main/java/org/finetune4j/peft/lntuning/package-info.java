/** Tuning of the parameters of norms. */
@NullMarked
package org.finetune4j.peft.lntuning;

import org.jspecify.annotations.NullMarked;
