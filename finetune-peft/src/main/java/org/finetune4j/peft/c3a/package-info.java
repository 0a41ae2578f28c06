/** C3A: the change of a weight consists of circulant blocks. */
@NullMarked
package org.finetune4j.peft.c3a;

import org.jspecify.annotations.NullMarked;
