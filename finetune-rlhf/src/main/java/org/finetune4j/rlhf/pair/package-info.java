/** Pairs of answers as tokens and as samples: what reward models and preference optimisation learn from. */
@NullMarked
package org.finetune4j.rlhf.pair;

import org.jspecify.annotations.NullMarked;
