/** The losses of preference optimisation, one a file: pure functions of how likely answers are, with their derivatives. */
@NullMarked
package org.finetune4j.rlhf.preference.loss;

import org.jspecify.annotations.NullMarked;
