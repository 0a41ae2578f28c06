/** What a classifier of sequences says of texts. */
@NullMarked
package org.finetune4j.classify;

import org.jspecify.annotations.NullMarked;
