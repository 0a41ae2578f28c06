package org.finetune4j.tensor;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;

/**
 * The operations of a {@link Tensor} that treat every element alike: arithmetic, functions, comparisons. Two tensors need not have
 * one shape: dimensions of length 1, and missing ones in front, are repeated (PyTorch's broadcasting); the second operand of an
 * operation in place must broadcast to this tensor's shape. Comparisons give tensors of truth values.
 */
public abstract sealed class ElementwiseOperations extends NativeCalls permits ShapeOperations {

    ElementwiseOperations(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
    }

    // ---- arithmetic ----

    /**
     * {@return {@code this + other}}
     *
     * @param other what is added
     */
    public Tensor add(Tensor other) {
        return binary("add", other, (x, y) -> x.add(y));
    }

    /**
     * {@return {@code this + value}}
     *
     * @param value what is added to every element
     */
    public Tensor add(double value) {
        return scalar("add", value, (x, s) -> x.add(s));
    }

    /**
     * {@return {@code this - other}}
     *
     * @param other what is taken away
     */
    public Tensor sub(Tensor other) {
        return binary("sub", other, (x, y) -> x.sub(y));
    }

    /**
     * {@return {@code this * other}, element by element}
     *
     * @param other the factor
     */
    public Tensor mul(Tensor other) {
        return binary("mul", other, (x, y) -> x.mul(y));
    }

    /**
     * {@return {@code this * value}}
     *
     * @param value the factor of every element
     */
    public Tensor mul(double value) {
        return scalar("mul", value, (x, s) -> x.mul(s));
    }

    /**
     * {@return {@code this / other}, element by element}
     *
     * @param other the divisor
     */
    public Tensor div(Tensor other) {
        return binary("div", other, (x, y) -> x.div(y));
    }

    /**
     * {@return {@code this / value}}
     *
     * @param value the divisor of every element
     */
    public Tensor div(double value) {
        return scalar("div", value, (x, s) -> x.div(s));
    }

    /**
     * Adds a multiple of another tensor.
     *
     * @param other what is added
     * @param scale its factor
     * @return {@code this + scale * other}
     */
    public Tensor addScaled(Tensor other, double scale) {
        return binary("addScaled", other, (x, y) -> {
            try (Scalar alpha = new Scalar(scale)) {
                return x.add(y, alpha);
            }
        });
    }

    /**
     * {@code this += other}.
     *
     * @param other what is added
     * @return this
     */
    public Tensor addInPlace(Tensor other) {
        return inPlace("addInPlace", other, (x, y) -> x.add_(y));
    }

    /**
     * {@code this += scale * other}.
     *
     * @param other what is added
     * @param scale its factor
     * @return this
     */
    public Tensor addScaledInPlace(Tensor other, double scale) {
        return inPlace("addScaledInPlace", other, (x, y) -> {
            try (Scalar alpha = new Scalar(scale)) {
                x.add_(y, alpha);
            }
        });
    }

    /**
     * {@code this -= other}.
     *
     * @param other what is taken away
     * @return this
     */
    public Tensor subInPlace(Tensor other) {
        return inPlace("subInPlace", other, (x, y) -> x.sub_(y));
    }

    /**
     * {@code this *= other}, element by element.
     *
     * @param other the factor
     * @return this
     */
    public Tensor mulInPlace(Tensor other) {
        return inPlace("mulInPlace", other, (x, y) -> x.mul_(y));
    }

    /**
     * {@code this *= value}.
     *
     * @param value the factor of every element
     * @return this
     */
    public Tensor mulInPlace(double value) {
        return scalarInPlace("mulInPlace", value, (x, s) -> x.mul_(s));
    }

    /**
     * {@code this += value}.
     *
     * @param value what is added to every element
     * @return this
     */
    public Tensor addInPlace(double value) {
        return scalarInPlace("addInPlace", value, (x, s) -> x.add_(s));
    }

    /**
     * Sets every element to 0.
     *
     * @return this
     */
    public Tensor zeroInPlace() {
        return inPlace("zeroInPlace", self(), (x, y) -> x.zero_());
    }

    /**
     * Sets every element.
     *
     * @param value what to
     * @return this
     */
    public Tensor fillInPlace(double value) {
        return scalarInPlace("fillInPlace", value, (x, s) -> x.fill_(s));
    }

    /**
     * Sets the elements where a mask holds.
     *
     * @param mask truth values
     * @param value what those elements become
     * @return this
     */
    public Tensor maskedFillInPlace(Tensor mask, double value) {
        return inPlace("maskedFillInPlace", mask, (x, m) -> {
            try (Scalar s = new Scalar(value)) {
                x.masked_fill_(m, s);
            }
        });
    }

    /**
     * Fills this tensor with numbers from the {@link RandomGenerator} in use.
     *
     * @param from the least
     * @param to above the largest
     * @return this
     */
    public Tensor uniformInPlace(double from, double to) {
        return inPlace("uniformInPlace", self(), (x, y) -> x.uniform_(from, to, RandomGenerator.on(device())));
    }

    /**
     * Fills this tensor with normal numbers from the {@link RandomGenerator} in use.
     *
     * @param mean their mean
     * @param standardDeviation how far they lie from it
     * @return this
     */
    public Tensor normalInPlace(double mean, double standardDeviation) {
        return inPlace(
                "normalInPlace", self(), (x, y) -> x.normal_(mean, standardDeviation, RandomGenerator.on(device())));
    }

    /** Fills this tensor with 1 with the given probability and 0 else, from the {@link RandomGenerator} in use. */
    Tensor bernoulliInPlace(double probability) {
        return inPlace("bernoulliInPlace", self(), (x, y) -> x.bernoulli_(probability, RandomGenerator.on(device())));
    }

    /**
     * {@return the larger of both, element by element; NaN where one of them is NaN}
     *
     * @param other what this is compared with
     */
    public Tensor maximum(Tensor other) {
        return binary("maximum", other, (x, y) -> x.maximum(y));
    }

    /**
     * {@return each element, or {@code largest} where it is larger, which has no gradient there}
     *
     * @param largest the limit
     */
    public Tensor atMost(double largest) {
        return scalar("atMost", largest, (x, s) -> x.clamp_max(s));
    }

    /**
     * {@return each element, or {@code smallest} where it is smaller, which has no gradient there}
     *
     * @param smallest the limit
     */
    public Tensor atLeast(double smallest) {
        return scalar("atLeast", smallest, (x, s) -> x.clamp_min(s));
    }

    /**
     * {@return the smaller of both, element by element; NaN where one of them is NaN}
     *
     * @param other what this is compared with
     */
    public Tensor minimum(Tensor other) {
        return binary("minimum", other, (x, y) -> x.minimum(y));
    }

    /** {@return {@code -this}} */
    public Tensor neg() {
        return unary("neg", org.bytedeco.pytorch.Tensor::neg);
    }

    /** {@return {@code e} to the power of every element} */
    public Tensor exp() {
        return unary("exp", org.bytedeco.pytorch.Tensor::exp);
    }

    /**
     * Replaces every element x by {@code e} to the power of x.
     *
     * @return this
     */
    public Tensor expInPlace() {
        return inPlace("expInPlace", self(), (x, y) -> x.exp_());
    }

    /** {@return the natural logarithm of every element} */
    public Tensor log() {
        return unary("log", org.bytedeco.pytorch.Tensor::log);
    }

    /** {@return {@code exp(x) - 1}, exact for small x} */
    public Tensor expm1() {
        return unary("expm1", x -> x.expm1());
    }

    /** {@return the largest whole numbers that are not above the elements} */
    public Tensor floor() {
        return unary("floor", x -> x.floor());
    }

    /**
     * {@return elements that are at least {@code from} and at most {@code to}; the others are the nearer bound}
     *
     * @param from the smallest
     * @param to the largest
     */
    public Tensor clamp(double from, double to) {
        try (Scalar low = scalarOf(from);
                Scalar high = scalarOf(to);
                ScalarOptional least = new ScalarOptional(low);
                ScalarOptional most = new ScalarOptional(high)) {
            return unary(() -> "clamp " + from + " " + to, x -> x.clamp(least, most));
        }
    }

    /** {@return the absolute value of every element} */
    public Tensor abs() {
        return unary("abs", org.bytedeco.pytorch.Tensor::abs);
    }

    /** {@return -1, 0 or 1 for every element} */
    public Tensor sign() {
        return unary("sign", org.bytedeco.pytorch.Tensor::sign);
    }

    /** {@return the square root of every element} */
    public Tensor sqrt() {
        return unary("sqrt", org.bytedeco.pytorch.Tensor::sqrt);
    }

    /** {@return one divided by the square root of every element} */
    public Tensor rsqrt() {
        return unary("rsqrt", org.bytedeco.pytorch.Tensor::rsqrt);
    }

    /** {@return every element times itself} */
    public Tensor square() {
        return unary("square", org.bytedeco.pytorch.Tensor::square);
    }

    /** {@return the hyperbolic tangent of every element} */
    public Tensor tanh() {
        return unary("tanh", org.bytedeco.pytorch.Tensor::tanh);
    }

    /** {@return {@code 1 / (1 + exp(-x))} of every element x} */
    public Tensor sigmoid() {
        return unary("sigmoid", org.bytedeco.pytorch.Tensor::sigmoid);
    }

    /** {@return the cosine of every element, in radians} */
    public Tensor cos() {
        return unary("cos", org.bytedeco.pytorch.Tensor::cos);
    }

    /** {@return the sine of every element, in radians} */
    public Tensor sin() {
        return unary("sin", org.bytedeco.pytorch.Tensor::sin);
    }

    // ---- comparison ----

    /**
     * {@return where this equals the value}
     *
     * @param value what every element is compared with
     */
    public Tensor eq(double value) {
        return scalar("eq", value, (x, s) -> x.eq(s));
    }

    /**
     * {@return where both are equal}
     *
     * @param other what this is compared with
     */
    public Tensor eq(Tensor other) {
        return binary("eq", other, (x, y) -> x.eq(y));
    }

    /**
     * {@return where {@code this < other}}
     *
     * @param other what this is compared with
     */
    public Tensor lessThan(Tensor other) {
        return binary("lessThan", other, (x, y) -> x.lt(y));
    }

    /**
     * {@return where {@code this < value}}
     *
     * @param value what every element is compared with
     */
    public Tensor lessThan(double value) {
        return scalar("lessThan", value, (x, s) -> x.lt(s));
    }

    /**
     * {@return where {@code this <= other}}
     *
     * @param other what this is compared with
     */
    public Tensor lessOrEqual(Tensor other) {
        return binary("lessOrEqual", other, (x, y) -> x.le(y));
    }

    /**
     * {@return where {@code this > value}}
     *
     * @param value what every element is compared with
     */
    public Tensor greaterThan(double value) {
        return scalar("greaterThan", value, (x, s) -> x.gt(s));
    }

    /**
     * {@return where both hold}
     *
     * @param other the second operand; what is not 0 holds
     */
    public Tensor logicalAnd(Tensor other) {
        return binary("logicalAnd", other, (x, y) -> x.logical_and(y));
    }

    /**
     * {@return where one of them holds}
     *
     * @param other the second operand; what is not 0 holds
     */
    public Tensor logicalOr(Tensor other) {
        return binary("logicalOr", other, (x, y) -> x.logical_or(y));
    }

    /** {@return where this is 0} */
    public Tensor logicalNot() {
        return unary("logicalNot", org.bytedeco.pytorch.Tensor::logical_not);
    }
}
