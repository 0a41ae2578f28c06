/** FourierFT: the change of a weight is given by a few of its frequencies. */
@NullMarked
package org.finetune4j.peft.fourierft;

import org.jspecify.annotations.NullMarked;
