/** Householder reflection adaptation: the input of a layer is reflected a few times. */
@NullMarked
package org.finetune4j.peft.hra;

import org.jspecify.annotations.NullMarked;
