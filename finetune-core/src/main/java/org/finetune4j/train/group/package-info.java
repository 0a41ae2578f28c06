/** How a run is told that it is one of several ranks: what it asks of its group, and what it does of every step. */
@NullMarked
package org.finetune4j.train.group;

import org.jspecify.annotations.NullMarked;
