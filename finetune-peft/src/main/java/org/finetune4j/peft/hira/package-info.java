/** HiRA: a low-rank product multiplies the weight element by element. */
@NullMarked
package org.finetune4j.peft.hira;

import org.jspecify.annotations.NullMarked;
