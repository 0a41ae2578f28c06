/** Learning from feedback: reward models, preference optimisation, policy gradients. */
@NullMarked
package org.finetune4j.rlhf;

import org.jspecify.annotations.NullMarked;
