/** MiSS: one small matrix is added to every shard of a weight. */
@NullMarked
package org.finetune4j.peft.miss;

import org.jspecify.annotations.NullMarked;
