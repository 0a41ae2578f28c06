package org.finetune4j.nn;

import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Device;

/**
 * Says which of several adapters each row of a batch uses. It goes with the batch, through its {@link SequenceContext}: the
 * layers keep nothing of it, so that several threads can use one model with other rows each.
 */
public interface RowAdapters {

    /**
     * The rows of one batch by their adapters.
     *
     * @param rows of the batch; where it has beams or several answers to a prompt, several rows in turn are one of the rows
     *     that adapters were said for
     * @param device where the batch is
     * @return the groups, whose tensors belong to the scope
     * @throws UserErrorException when the adapters do not divide so many rows
     * @throws IllegalStateException when the adapters are no longer there
     */
    RowGroups of(int rows, Device device);
}
