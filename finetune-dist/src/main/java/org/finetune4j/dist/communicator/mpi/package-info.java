/** Ranks that are processes, on one host or several, through Open MPI. */
@NullMarked
package org.finetune4j.dist.communicator.mpi;

import org.jspecify.annotations.NullMarked;
