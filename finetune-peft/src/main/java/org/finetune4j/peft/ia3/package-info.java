/** IA3: trained scales of activations. */
@NullMarked
package org.finetune4j.peft.ia3;

import org.jspecify.annotations.NullMarked;
