package org.finetune4j.model;

import org.finetune4j.UserErrorException;

/**
 * Says by name which number does not fit where numbers choose rows of a model's tables. libtorch's own answer is a raw error
 * without the place, and on a GPU a device that cannot be used any more.
 */
public final class IndexRange {

    private IndexRange() {}

    /**
     * Refuses numbers below zero.
     *
     * @param what one of the numbers, for the message
     * @param values row-major [rows, columns]
     * @param columns numbers of a row
     * @throws UserErrorException with the first one that is
     */
    public static void requireNotNegative(String what, int[] values, int columns) {
        require(what, values, columns, Long.MAX_VALUE);
    }

    /**
     * Refuses numbers outside of {@code 0 .. count - 1}.
     *
     * @param what one of the numbers, for the message
     * @param values row-major [rows, columns]
     * @param columns numbers of a row
     * @param count how many rows the table has
     * @throws UserErrorException with the first one that is
     */
    public static void require(String what, int[] values, int columns, long count) {
        for (int at = 0; at < values.length; at++) {
            if (values[at] < 0 || values[at] >= count) {
                String expected =
                        count == Long.MAX_VALUE ? "it must not be negative" : "the model knows 0 to " + (count - 1);
                throw new UserErrorException(what + " " + values[at] + " (row " + at / columns + ", position "
                        + at % columns + ") is out of range: " + expected);
            }
        }
    }
}
