/** Comparison of a model with results that another implementation recorded. */
@NullMarked
package org.finetune4j.verify;

import org.jspecify.annotations.NullMarked;
