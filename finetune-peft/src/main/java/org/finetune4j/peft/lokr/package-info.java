/** LoKr: a Kronecker product of two small matrices. */
@NullMarked
package org.finetune4j.peft.lokr;

import org.jspecify.annotations.NullMarked;
