package org.finetune4j.data;

import java.util.function.Function;
import java.util.function.IntFunction;

/** How processes that read the same data have each piece of it tokenised once, by one of them. */
@FunctionalInterface
public interface DataSharing {

    /** Every process tokenises what it reads. */
    DataSharing NONE = (count, make) -> make;

    /**
     * Something that is made once. All processes call this in the same order.
     *
     * @param count how many pieces there are
     * @param make gives the numbers of a piece, the same in every process; any thread may call it
     * @return gives what one of the processes has made; any thread may call it
     */
    IntFunction<int[][]> once(int count, IntFunction<int[][]> make);

    /**
     * The same for pieces that are more than numbers.
     *
     * @param <T> what a piece is
     * @param count how many there are
     * @param make gives a piece; any thread may call it
     * @param write its numbers
     * @param read the piece that has such numbers
     * @return gives what one of the processes has made
     */
    default <T> IntFunction<T> once(
            int count, IntFunction<T> make, Function<T, int[][]> write, Function<int[][], T> read) {
        if (this == NONE) {
            return make;
        }
        IntFunction<int[][]> shared = once(count, index -> write.apply(make.apply(index)));
        return index -> read.apply(shared.apply(index));
    }
}
