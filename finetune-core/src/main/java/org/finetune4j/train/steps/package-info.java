/** Where the batches of optimizer steps come from: a dataset, or whatever makes them while the training runs. */
@NullMarked
package org.finetune4j.train.steps;

import org.jspecify.annotations.NullMarked;
