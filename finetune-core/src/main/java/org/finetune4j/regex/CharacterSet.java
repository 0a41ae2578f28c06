package org.finetune4j.regex;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntPredicate;

/** A set of characters: Unicode's code points without the halves of pairs, which are none. */
final class CharacterSet {

    private static final int LAST = Character.MAX_CODE_POINT;

    static final CharacterSet ALL = of(0, LAST);
    static final CharacterSet NONE = new CharacterSet(new int[0]);

    /** First and last of each range, in their order, with a gap between two. */
    private final int[] ranges;

    private CharacterSet(int[] ranges) {
        this.ranges = ranges;
    }

    static CharacterSet of(int first, int last) {
        if (last < Character.MIN_SURROGATE) {
            return new CharacterSet(new int[] {first, last});
        }
        BitSet characters = new BitSet();
        characters.set(first, last + 1);
        return of(characters);
    }

    static CharacterSet of(String characters) {
        BitSet all = new BitSet();
        characters.codePoints().forEach(all::set);
        return of(all);
    }

    static CharacterSet where(IntPredicate holds) {
        BitSet all = new BitSet();
        for (int each = 0; each <= LAST; each++) {
            if (holds.test(each)) {
                all.set(each);
            }
        }
        return of(all);
    }

    private static CharacterSet of(BitSet characters) {
        characters.clear(Character.MIN_SURROGATE, Character.MAX_SURROGATE + 1);
        int[] ranges = new int[16];
        int length = 0;
        for (int first = characters.nextSetBit(0); first >= 0; ) {
            int behind = characters.nextClearBit(first);
            if (length + 2 > ranges.length) {
                ranges = Arrays.copyOf(ranges, 2 * length);
            }
            ranges[length++] = first;
            ranges[length++] = behind - 1;
            first = characters.nextSetBit(behind);
        }
        return new CharacterSet(Arrays.copyOf(ranges, length));
    }

    static CharacterSet union(List<CharacterSet> sets) {
        BitSet all = new BitSet();
        sets.forEach(set -> set.addTo(all));
        return of(all);
    }

    CharacterSet complement() {
        BitSet all = new BitSet();
        addTo(all);
        all.flip(0, LAST + 1);
        return of(all);
    }

    private void addTo(BitSet all) {
        for (int i = 0; i < ranges.length; i += 2) {
            all.set(ranges[i], ranges[i + 1] + 1);
        }
    }

    /** How many ranges there are. */
    int size() {
        return ranges.length / 2;
    }

    int first(int range) {
        return ranges[2 * range];
    }

    int last(int range) {
        return ranges[2 * range + 1];
    }
}
