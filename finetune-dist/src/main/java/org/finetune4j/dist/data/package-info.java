/** Data that ranks of one host prepare for each other. */
@NullMarked
package org.finetune4j.dist.data;

import org.jspecify.annotations.NullMarked;
