/** From typed examples to labelled tokens for supervised fine-tuning. */
@NullMarked
package org.finetune4j.data.supervised;

import org.jspecify.annotations.NullMarked;
