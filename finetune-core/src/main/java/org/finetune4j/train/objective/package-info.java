/** What a training makes small: each objective is one file. */
@NullMarked
package org.finetune4j.train.objective;

import org.jspecify.annotations.NullMarked;
