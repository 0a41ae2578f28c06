/** Prefix tuning and P-tuning v2: keys and values before every sequence, in every layer. */
@NullMarked
package org.finetune4j.peft.prefix;

import org.jspecify.annotations.NullMarked;
