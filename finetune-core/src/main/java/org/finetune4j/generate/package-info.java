/** Text generation: key-value cache, sampling, streaming. */
@NullMarked
package org.finetune4j.generate;

import org.jspecify.annotations.NullMarked;
