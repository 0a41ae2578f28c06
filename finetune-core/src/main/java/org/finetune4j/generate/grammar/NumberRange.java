package org.finetune4j.generate.grammar;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Numbers between bounds, and multiples of one, exactly and digit by digit. What has been written is told apart only by what may follow
 * it: for each number of further digits the part of the interval that they lead to which is within the bounds, and the remainder.
 *
 * @param least or null without one
 * @param leastIsIn whether {@code least} itself is among them
 * @param most or null without one
 * @param mostIsIn whether {@code most} itself is among them
 * @param multiple positive, or null: what they are multiples of
 * @param digits how many a number has at most, before and after the point
 * @param hasFraction whether there may be digits after a point; there is no exponent
 */
record NumberRange(
        @Nullable BigDecimal least,
        boolean leastIsIn,
        @Nullable BigDecimal most,
        boolean mostIsIn,
        @Nullable BigDecimal multiple,
        int digits,
        boolean hasFraction) {

    /** How many states all ranges of a schema may have. */
    static final int MOST_STATES = 20_000;

    private static final String ALL = "all";
    private static final String NONE = "none";
    private static final BigInteger NOTHING = BigInteger.ONE.negate();

    /**
     * A number that is under way.
     *
     * @param written its digits as a whole number, without sign and point; -1 before the first one
     * @param scale how many digits stand after the point; -1 without a point
     * @param left how many digits there may be besides
     */
    private record Prefix(boolean negative, BigInteger written, int scale, int left) {

        boolean isBegun() {
            return written.signum() >= 0;
        }

        BigDecimal unit() {
            return BigDecimal.ONE.scaleByPowerOfTen(-Math.max(0, scale));
        }

        BigDecimal value() {
            return new BigDecimal(written, Math.max(0, scale));
        }

        Prefix digit(int digit) {
            BigInteger next = isBegun() ? written.multiply(BigInteger.TEN) : BigInteger.ZERO;
            return new Prefix(negative, next.add(BigInteger.valueOf(digit)), scale < 0 ? scale : scale + 1, left - 1);
        }
    }

    /**
     * The numbers as a machine.
     *
     * @param mostStates how many states it may have
     * @throws GrammarException when there is no such number, or it takes more states to tell
     */
    NumberMachine machine(int mostStates) {
        Map<Object, Integer> numbers = new HashMap<>();
        List<Prefix> prefixes = new ArrayList<>(List.of(new Prefix(false, NOTHING, -1, digits)));
        List<int[]> table = new ArrayList<>();
        BitSet ends = new BitSet();
        for (int state = 0; state < prefixes.size(); state++) {
            Prefix prefix = prefixes.get(state);
            ends.set(state, isNumber(prefix));
            int[] row = new int[NumberMachine.CHARACTERS.length()];
            Arrays.fill(row, -1);
            for (int i = 0; i < row.length; i++) {
                Prefix next = after(prefix, NumberMachine.CHARACTERS.charAt(i), state == 0);
                Object future = next == null ? null : future(next);
                if (next == null || future == null) {
                    continue;
                }
                Integer known = numbers.get(future);
                if (known == null) {
                    known = prefixes.size();
                    if (known >= mostStates) {
                        throw new GrammarException("it would take more than " + MOST_STATES + " states to tell");
                    }
                    numbers.put(future, known);
                    prefixes.add(next);
                }
                row[i] = known;
            }
            table.add(row);
        }
        NumberMachine machine = new NumberMachine(table, ends);
        if (machine.isEmpty()) {
            throw new GrammarException("no number of up to " + digits + " digits is in them");
        }
        return machine;
    }

    private @Nullable Prefix after(Prefix prefix, char read, boolean first) {
        if (read == '-') {
            return first ? new Prefix(true, NOTHING, -1, digits) : null;
        }
        if (read == '.') {
            boolean may = hasFraction && prefix.isBegun() && prefix.scale() < 0 && places(prefix) > 0;
            return may ? new Prefix(prefix.negative(), prefix.written(), 0, places(prefix)) : null;
        }
        boolean leadingZero = prefix.scale() < 0 && prefix.written().signum() == 0;
        return prefix.left() == 0 || leadingZero ? null : prefix.digit(read - '0');
    }

    /** How many digits may follow a point; a zero may in any case. */
    private int places(Prefix prefix) {
        return multiple == null
                ? prefix.left()
                : Math.min(
                        prefix.left(), Math.max(1, multiple.stripTrailingZeros().scale()));
    }

    private boolean isNumber(Prefix prefix) {
        if (!prefix.isBegun() || prefix.scale() == 0) {
            return false;
        }
        BigDecimal value = prefix.value();
        return isWithin(prefix.negative() ? value.negate() : value)
                && (multiple == null || value.remainder(multiple).signum() == 0);
    }

    private boolean isWithin(BigDecimal value) {
        int fromLeast = least == null ? 1 : value.compareTo(least);
        int toMost = most == null ? 1 : most.compareTo(value);
        return (fromLeast > 0 || (fromLeast == 0 && leastIsIn)) && (toMost > 0 || (toMost == 0 && mostIsIn));
    }

    /** What may follow, by which prefixes are told apart; null where nothing that is within the bounds. */
    private @Nullable Object future(Prefix prefix) {
        List<Object> all = new ArrayList<>();
        all.add(prefix.left());
        if (!prefix.isBegun()) {
            all.add(prefix.negative());
            return all;
        }
        boolean isZero = prefix.scale() < 0 && prefix.written().signum() == 0;
        int further = prefix.scale() >= 0 || isZero ? 0 : prefix.left();
        // Where all that may follow is within the bounds, neither they nor the sign make a difference.
        boolean free = part(prefix, 0).equals(ALL) && part(prefix, further).equals(ALL);
        if (free) {
            all.add(ALL);
        } else {
            List<Object> parts = new ArrayList<>();
            for (int more = 0; more <= further; more++) {
                parts.add(part(prefix, more));
            }
            if (parts.stream().allMatch(NONE::equals)) {
                return null;
            }
            all.add(prefix.negative());
            all.addAll(parts);
        }
        all.add(isZero);
        all.add(Math.min(prefix.scale(), multiple == null ? 1 : Integer.MAX_VALUE));
        if (multiple != null) {
            all.add(prefix.value().remainder(multiple).divide(prefix.unit()).stripTrailingZeros());
        }
        return all;
    }

    /** What is within the bounds of the interval that so many more digits before the point, and any after it, lead to. */
    private Object part(Prefix prefix, int more) {
        BigDecimal unit = prefix.unit().scaleByPowerOfTen(more);
        BigDecimal from = prefix.value().scaleByPowerOfTen(more);
        BigDecimal low = prefix.negative() ? (most == null ? null : most.negate()) : least;
        BigDecimal high = prefix.negative() ? (least == null ? null : least.negate()) : most;
        boolean lowIsIn = prefix.negative() ? mostIsIn : leastIsIn;
        boolean highIsIn = prefix.negative() ? leastIsIn : mostIsIn;
        BigDecimal to = from.add(unit);
        int last = high == null ? 1 : high.compareTo(from);
        if ((low != null && low.compareTo(to) >= 0) || last < 0 || (last == 0 && !highIsIn)) {
            return NONE;
        }
        int first = low == null ? -1 : low.compareTo(from);
        boolean cutBelow = first > 0 || (first == 0 && !lowIsIn);
        boolean cutAbove = high != null && high.compareTo(to) < 0;
        if (!cutBelow && !cutAbove) {
            return ALL;
        }
        return Arrays.asList(
                cutBelow && low != null ? relative(low, from, unit) : "",
                lowIsIn,
                cutAbove && high != null ? relative(high, from, unit) : "",
                highIsIn);
    }

    private static BigDecimal relative(BigDecimal bound, BigDecimal from, BigDecimal unit) {
        return bound.subtract(from).divide(unit).stripTrailingZeros();
    }
}
