/** How much memory a training will take, and how much it takes. */
@NullMarked
package org.finetune4j.train.memory;

import org.jspecify.annotations.NullMarked;
