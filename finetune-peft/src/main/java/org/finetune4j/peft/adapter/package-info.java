/** Bottleneck adapters (Houlsby, Pfeiffer, parallel) in AdapterHub's format. */
@NullMarked
package org.finetune4j.peft.adapter;

import org.jspecify.annotations.NullMarked;
