package org.finetune4j.model.chat.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Numbers as Python has them: integers without limits, and doubles. */
final class PythonNumbers {

    /** Python itself writes and reads no longer ones. */
    private static final int MAX_DIGITS = 4300;
    /** Of an integer: no template calculates with larger ones. */
    private static final int MAX_BITS = 1 << 17;
    /** What a double's shortest digits cost to find. */
    private static final int STEPS_FOR_DIGITS = 50;

    private PythonNumbers() {}

    /** Whether arithmetic takes it: True and False are 1 and 0. */
    static boolean isNumber(@Nullable Object value) {
        return value instanceof Number || value instanceof Boolean;
    }

    static boolean isReal(@Nullable Object value) {
        return value instanceof Double || value instanceof Float || value instanceof BigDecimal;
    }

    static BigInteger integer(Object value) {
        if (value instanceof Boolean truth) {
            return truth ? BigInteger.ONE : BigInteger.ZERO;
        }
        return value instanceof BigInteger big ? big : BigInteger.valueOf(((Number) value).longValue());
    }

    static double real(Object value) {
        return value instanceof Boolean truth ? (truth ? 1 : 0) : ((Number) value).doubleValue();
    }

    /**
     * A long where it fits.
     *
     * @throws UserErrorException when it is larger than any template needs
     */
    static Number normal(BigInteger value) {
        if (value.bitLength() > MAX_BITS) {
            throw tooLarge();
        }
        return value.bitLength() < Long.SIZE ? value.longValue() : value;
    }

    /** An index or count. */
    static int index(@Nullable Object value) {
        if (!isNumber(value) || isReal(value)) {
            throw new UserErrorException("the chat template needs an integer, not a " + PythonValues.typeName(value));
        }
        BigInteger whole = integer(Objects.requireNonNull(value));
        return whole.bitLength() < Integer.SIZE
                ? whole.intValue()
                : whole.signum() < 0 ? Integer.MIN_VALUE / 2 : Integer.MAX_VALUE / 2;
    }

    static int compare(Object a, Object b) {
        if (isReal(a) || isReal(b)) {
            double left = real(a);
            double right = real(b);
            return left < right ? -1 : left > right ? 1 : 0;
        }
        return integer(a).compareTo(integer(b));
    }

    /** {@code + - * / // % **} of two numbers. */
    static Number calculate(String operator, Object a, Object b, RenderBudget budget) {
        boolean real = isReal(a) || isReal(b);
        if (!real) {
            budget.steps(product(integer(a).bitLength(), integer(b).bitLength()));
        }
        return switch (operator) {
            case "+" -> real ? (Number) (real(a) + real(b)) : normal(integer(a).add(integer(b)));
            case "-" -> real ? (Number) (real(a) - real(b)) : normal(integer(a).subtract(integer(b)));
            case "*" -> real ? (Number) (real(a) * real(b)) : normal(integer(a).multiply(integer(b)));
            case "/" -> real(a) / divisor(b);
            case "//" -> real ? (Number) Math.floor(real(a) / divisor(b)) : normal(quotient(a, b));
            case "%" -> real ? (Number) remainder(real(a), divisor(b)) : normal(remainder(a, b));
            case "**" -> power(a, b, real, budget);
            default -> throw new IllegalArgumentException(operator);
        };
    }

    private static double divisor(Object value) {
        double divisor = real(value);
        if (divisor == 0) {
            throw new UserErrorException("the chat template divides by zero");
        }
        return divisor;
    }

    private static BigInteger quotient(Object a, Object b) {
        divisor(b);
        return integer(a).subtract(remainder(a, b)).divide(integer(b));
    }

    /** The remainder has the divisor's sign. */
    private static BigInteger remainder(Object a, Object b) {
        divisor(b);
        BigInteger remainder = integer(a).remainder(integer(b));
        return remainder.signum() != 0 && remainder.signum() != integer(b).signum()
                ? remainder.add(integer(b))
                : remainder;
    }

    private static double remainder(double a, double b) {
        double remainder = a % b;
        return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
    }

    private static Number power(Object a, Object b, boolean real, RenderBudget budget) {
        if (real || integer(b).signum() < 0) {
            return Math.pow(real(a), real(b));
        }
        BigInteger base = integer(a);
        BigInteger exponent = integer(b);
        if (base.bitLength() <= 1 && base.signum() >= 0) {
            return exponent.signum() == 0 ? 1L : normal(base);
        }
        if (exponent.bitLength() >= Integer.SIZE || (long) base.bitLength() * exponent.intValue() > 2L * MAX_BITS) {
            throw tooLarge();
        }
        int bits = base.bitLength() * exponent.intValue();
        budget.steps(product(bits, bits));
        return normal(base.pow(exponent.intValue()));
    }

    /** What a product of numbers with so many bits costs. */
    private static long product(int bits, int otherBits) {
        return (long) bits * otherBits / (16 * Long.SIZE * Long.SIZE);
    }

    private static UserErrorException tooLarge() {
        return new UserErrorException("the chat template calculates with numbers of more than " + MAX_BITS + " bits");
    }

    /**
     * The integer that digits stand for.
     *
     * @throws UserErrorException when there are more of them than Python reads
     * @throws NumberFormatException when they are no digits
     */
    static BigInteger parsed(String digits, int base) {
        if (digits.length() > MAX_DIGITS) {
            throw new UserErrorException("a number in a chat template has more than " + MAX_DIGITS + " digits");
        }
        return new BigInteger(digits, base);
    }

    /**
     * {@code repr()} of a number.
     *
     * @throws UserErrorException when it has more digits than Python writes
     */
    static String text(Number number, RenderBudget budget) {
        if (isReal(number)) {
            budget.steps(STEPS_FOR_DIGITS);
            return text(number.doubleValue());
        }
        if (number instanceof BigInteger big && big.bitLength() > MAX_DIGITS / Math.log10(2)) {
            throw new UserErrorException("the chat template writes a number of more than " + MAX_DIGITS + " digits");
        }
        return number.toString();
    }

    /** {@code repr()} of a double: the shortest digits that give it back. */
    static String text(double number) {
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            return Double.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        }
        if (number == 0) {
            return 1 / number < 0 ? "-0.0" : "0.0";
        }
        BigDecimal exact = new BigDecimal(number);
        BigDecimal shortest = exact;
        for (int digits = 1; digits <= 17; digits++) {
            shortest = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
            if (shortest.doubleValue() == number) {
                break;
            }
        }
        BigDecimal plain = shortest.stripTrailingZeros();
        int exponent = plain.precision() - plain.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            return plain.scale() <= 0 ? plain.toBigInteger() + ".0" : plain.toPlainString();
        }
        String digits = plain.unscaledValue().abs().toString();
        String mantissa = digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
        String size = Math.abs(exponent) < 10 ? "0" + Math.abs(exponent) : String.valueOf(Math.abs(exponent));
        return (number < 0 ? "-" : "") + mantissa + "e" + (exponent < 0 ? "-" : "+") + size;
    }

    /** {@code round(number, digits)} to the even neighbour. */
    static double round(double number, int digits, RoundingMode mode) {
        // A double has no digit farther away.
        int places = Math.max(-400, Math.min(digits, 1100));
        return Double.isNaN(number) || Double.isInfinite(number)
                ? number
                : new BigDecimal(number).setScale(places, mode).doubleValue();
    }
}
