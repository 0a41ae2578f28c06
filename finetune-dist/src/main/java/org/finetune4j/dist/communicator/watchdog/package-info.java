/** Who is still there, and who is waited for: processes that tell each other by a line of text now and then. */
@NullMarked
package org.finetune4j.dist.communicator.watchdog;

import org.jspecify.annotations.NullMarked;
