/** Recomputes what other implementations recorded of learning from feedback. */
@NullMarked
package org.finetune4j.rlhf.verify;

import org.jspecify.annotations.NullMarked;
