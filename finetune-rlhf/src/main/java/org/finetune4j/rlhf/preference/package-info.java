/** Learning from preferences: which of two answers is better, or whether one is good. */
@NullMarked
package org.finetune4j.rlhf.preference;

import org.jspecify.annotations.NullMarked;
