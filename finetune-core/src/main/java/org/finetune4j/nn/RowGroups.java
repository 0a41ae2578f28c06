package org.finetune4j.nn;

import java.util.List;
import org.finetune4j.tensor.Tensor;

/**
 * Which rows of a batch belong to which adapter. Rows that belong to none are in no group.
 *
 * @param owner who numbered the adapters
 * @param groups one for each adapter that has rows
 */
public record RowGroups(Object owner, List<Group> groups) {

    /**
     * The rows of one adapter.
     *
     * @param adapter its number
     * @param index int64 [rows of the adapter]
     */
    public record Group(int adapter, Tensor index) {}
}
