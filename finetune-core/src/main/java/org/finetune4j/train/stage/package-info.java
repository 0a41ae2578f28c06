/** Kinds of training: what each learns from, what the model must be, and what it makes small. */
@NullMarked
package org.finetune4j.train.stage;

import org.jspecify.annotations.NullMarked;
