package org.finetune4j.peft.lokr;

/**
 * A size as a product of two, {@code small <= large} unless a wanted factor says otherwise.
 *
 * @param small the first factor
 * @param large the second factor
 */
record Factors(int small, int large) {

    /**
     * As LyCORIS divides a size.
     *
     * @param wanted the first factor where it divides the size; else an upper bound for it, or -1 for none: then the two
     *     are as near to each other as they can be
     */
    static Factors of(long size, int wanted) {
        int dimension = Math.toIntExact(size);
        if (wanted > 0 && dimension % wanted == 0) {
            return new Factors(wanted, dimension / wanted);
        }
        int bound = wanted == -1 ? dimension : wanted;
        int small = 1;
        int large = dimension;
        int sum = small + large;
        while (small < large) {
            int next = small + 1;
            while (dimension % next != 0) {
                next++;
            }
            int other = dimension / next;
            if (next + other > sum || next > bound) {
                break;
            }
            small = next;
            large = other;
        }
        return small <= large ? new Factors(small, large) : new Factors(large, small);
    }
}
