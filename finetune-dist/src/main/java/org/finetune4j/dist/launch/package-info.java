/** Starts the ranks of a training as processes, by Open MPI's mpirun, and starts them again when some have gone. */
@NullMarked
package org.finetune4j.dist.launch;

import org.jspecify.annotations.NullMarked;
