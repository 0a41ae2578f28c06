/** Layers that are split over ranks as the stages of a pipeline, through which several batches go at once. */
@NullMarked
package org.finetune4j.dist.pipeline;

import org.jspecify.annotations.NullMarked;
