/** Many datasets as one: shares, caps, held-out tasks, duplicates and overlaps with evaluation data. */
@NullMarked
package org.finetune4j.data.mixture;

import org.jspecify.annotations.NullMarked;
