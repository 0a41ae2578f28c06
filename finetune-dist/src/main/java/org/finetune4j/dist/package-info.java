/** Training on several devices, processes and hosts. */
@NullMarked
package org.finetune4j.dist;

import org.jspecify.annotations.NullMarked;
