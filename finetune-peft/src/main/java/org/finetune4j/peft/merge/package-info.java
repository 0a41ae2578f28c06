/** Several fine-tunes of one base made into one: merging of tensors, adapters and checkpoints, soups and deltas. */
@NullMarked
package org.finetune4j.peft.merge;

import org.jspecify.annotations.NullMarked;
