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

    private static final int MAX_POWER = 10_000;

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

    /** A long where it fits. */
    static Number normal(BigInteger value) {
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
    static Number calculate(String operator, Object a, Object b) {
        boolean real = isReal(a) || isReal(b);
        return switch (operator) {
            case "+" -> real ? (Number) (real(a) + real(b)) : normal(integer(a).add(integer(b)));
            case "-" -> real ? (Number) (real(a) - real(b)) : normal(integer(a).subtract(integer(b)));
            case "*" -> real ? (Number) (real(a) * real(b)) : normal(integer(a).multiply(integer(b)));
            case "/" -> real(a) / divisor(b);
            case "//" -> real ? (Number) Math.floor(real(a) / divisor(b)) : normal(quotient(a, b));
            case "%" -> real ? (Number) remainder(real(a), divisor(b)) : normal(remainder(a, b));
            case "**" -> power(a, b, real);
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

    private static Number power(Object a, Object b, boolean real) {
        if (real || integer(b).signum() < 0) {
            return Math.pow(real(a), real(b));
        }
        if (integer(b).bitLength() > Integer.SIZE - 1 || integer(b).intValue() > MAX_POWER) {
            throw new UserErrorException("the chat template asks for too high a power");
        }
        return normal(integer(a).pow(integer(b).intValue()));
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
        return new BigDecimal(number).setScale(digits, mode).doubleValue();
    }
}
