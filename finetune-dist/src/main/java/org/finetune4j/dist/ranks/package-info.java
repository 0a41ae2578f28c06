/** Which ranks a process is among, as whoever started it says. */
@NullMarked
package org.finetune4j.dist.ranks;

import org.jspecify.annotations.NullMarked;
