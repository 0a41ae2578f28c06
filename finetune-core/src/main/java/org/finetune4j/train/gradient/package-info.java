/** Back-propagation by segments: one decoder layer at a time, driven from Java. */
@NullMarked
package org.finetune4j.train.gradient;

import org.jspecify.annotations.NullMarked;
