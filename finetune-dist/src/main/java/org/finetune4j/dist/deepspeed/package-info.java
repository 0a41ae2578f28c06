/** Reads the JSON that DeepSpeed is configured with, as far as it says something that there is here. */
@NullMarked
package org.finetune4j.dist.deepspeed;

import org.jspecify.annotations.NullMarked;
