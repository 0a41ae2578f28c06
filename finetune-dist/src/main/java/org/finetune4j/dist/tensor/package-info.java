/** Matrices that are divided among ranks: each has a share of every layer, of the vocabulary and of the experts. */
@NullMarked
package org.finetune4j.dist.tensor;

import org.jspecify.annotations.NullMarked;
