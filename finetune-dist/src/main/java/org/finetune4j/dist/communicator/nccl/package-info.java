/** Ranks that have a GPU each, through NVIDIA's NCCL. */
@NullMarked
package org.finetune4j.dist.communicator.nccl;

import org.jspecify.annotations.NullMarked;
