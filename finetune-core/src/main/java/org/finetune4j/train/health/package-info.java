/** Looks into a model while it trains: statistics of gradients and activations, and where a number stops being one. */
@NullMarked
package org.finetune4j.train.health;

import org.jspecify.annotations.NullMarked;
