/**
 * Finds ranks that have died, stopped or fallen behind: processes tell each other by a line of text now and then that they run and what
 * they wait for.
 */
@NullMarked
package org.finetune4j.dist.communicator.watchdog;

import org.jspecify.annotations.NullMarked;
