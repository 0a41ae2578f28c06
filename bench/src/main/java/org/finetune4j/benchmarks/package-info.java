/** Kernels timed by JMH, each beside the least that its work takes: a copy of the same bytes, or another's kernel. */
@NullMarked
package org.finetune4j.benchmarks;

import org.jspecify.annotations.NullMarked;
