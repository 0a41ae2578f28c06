/** What a training on many devices would take, from formulas: memory, communication, time. */
@NullMarked
package org.finetune4j.dist.plan;

import org.jspecify.annotations.NullMarked;
