/** Orthogonal butterfly fine-tuning: the input of a layer is turned by a product of sparse rotations. */
@NullMarked
package org.finetune4j.peft.boft;

import org.jspecify.annotations.NullMarked;
