/** Which of many blocks of memory are near to where the work is done, and which wait elsewhere. */
@NullMarked
package org.finetune4j.train.offload;

import org.jspecify.annotations.NullMarked;
