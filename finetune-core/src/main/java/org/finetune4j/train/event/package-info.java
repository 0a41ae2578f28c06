/** Flight Recorder events of a training: what its time goes to, seen by JDK Mission Control or {@code jfr print}. */
@NullMarked
package org.finetune4j.train.event;

import org.jspecify.annotations.NullMarked;
