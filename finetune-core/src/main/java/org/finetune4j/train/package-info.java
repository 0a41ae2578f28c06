/** Training: what runs the steps, and what is told about them. */
@NullMarked
package org.finetune4j.train;

import org.jspecify.annotations.NullMarked;
