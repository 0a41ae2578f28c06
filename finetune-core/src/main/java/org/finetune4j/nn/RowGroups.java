package org.finetune4j.nn;

import java.util.List;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

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
     * @param rows their numbers
     * @param index the same as a tensor, int64 [rows of the adapter]
     */
    public record Group(int adapter, int[] rows, Tensor index) {

        /**
         * The rows of one adapter.
         *
         * @param adapter its number
         * @param rows their numbers
         * @param device where the batch is
         * @return the group, whose tensor belongs to the scope
         */
        public static Group of(int adapter, int[] rows, Device device) {
            long[] index = new long[rows.length];
            for (int i = 0; i < rows.length; i++) {
                index[i] = rows[i];
            }
            return new Group(adapter, rows, Tensors.of(index, index.length).to(device));
        }
    }
}
