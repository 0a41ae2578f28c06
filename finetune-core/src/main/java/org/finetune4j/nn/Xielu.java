package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/**
 * The expanded integral of the exponential linear unit, whose two slopes are learned (Huang and Schlag 2024, arXiv:2411.13010): {@code a x^2 + b
 * x} above 0 and {@code c (exp(min(x, e)) - 1 - x) + b x} below, where a is the softplus of {@code alpha_p} and c that of {@code alpha_n}, plus b.
 */
public final class Xielu extends Module {

    private static final double BETA = 0.5;
    private static final double EPSILON = -1e-6;
    private static final double SLOPE = 0.8;

    /**
     * Reads {@code alpha_p} [1], {@code alpha_n} [1] and the constants {@code beta} [] (b) and {@code eps} [] (e).
     *
     * @param weights where the parameters come from, below this module's name
     */
    public Xielu(Weights weights) {
        parameter("alpha_p", weights.parameter("alpha_p", startingAt(SLOPE), 1));
        parameter("alpha_n", weights.parameter("alpha_n", startingAt(SLOPE - BETA), 1));
        parameter(
                "beta",
                weights.parameter("beta", new Initialization.Constant(BETA)).constant());
        parameter(
                "eps",
                weights.parameter("eps", new Initialization.Constant(EPSILON)).constant());
    }

    private static Initialization startingAt(double softplus) {
        return new Initialization.Constant(Math.log(Math.expm1(softplus)));
    }

    /**
     * Applies it to every element.
     *
     * @param x of any shape
     * @return of the same shape
     */
    public Tensor apply(Tensor x) {
        Tensor beta = own("beta").as(x.dtype());
        Tensor above = Functional.softplus(own("alpha_p").as(x.dtype()));
        Tensor below = Functional.softplus(own("alpha_n").as(x.dtype())).add(beta);
        Tensor isAbove = x.greaterThan(0);
        Tensor bent = x.minimum(own("eps").as(x.dtype())).expm1().sub(x).mul(below);
        return x.square()
                .mul(above)
                .mul(isAbove.to(x.dtype()))
                .add(bent.mul(isAbove.logicalNot().to(x.dtype())))
                .add(x.mul(beta));
    }
}
