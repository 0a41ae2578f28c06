/**
 * Kernels for GPUs, compiled when they are first needed, and memory that a GPU and the host share. Nothing here is loaded as
 * long as every tensor is on the CPU.
 */
@NullMarked
package org.finetune4j.quant.cuda;

import org.jspecify.annotations.NullMarked;
