/** Prompt tuning and P-tuning: learned vectors before the token embeddings of every sequence. */
@NullMarked
package org.finetune4j.peft.prompt;

import org.jspecify.annotations.NullMarked;
