/** Which of many blocks of memory are near to where the work is done, and which wait elsewhere. */
@NullMarked
package org.finetune4j.quant.memory;

import org.jspecify.annotations.NullMarked;
