package org.finetune4j.peft;

import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/**
 * A layer's weight of which an adapter took a part at its start: while the adapter is enabled the layer has the residual.
 */
public final class PartedWeight {

    private final ReplacedParameter replaced;
    private final Tensor initialA;
    private final Tensor initialB;

    private PartedWeight(ReplacedParameter replaced, Tensor initialA, Tensor initialB) {
        this.replaced = replaced;
        this.initialA = initialA;
        this.initialB = initialB;
    }

    /**
     * Prepares the exchange.
     *
     * @param residual [out, in], what stays with the base
     * @param initialA [rank, in], kept to tell later what was learned
     * @param initialB [out, rank]
     */
    public static PartedWeight of(Linear linear, Tensor residual, Tensor initialA, Tensor initialB) {
        Parameter whole = linear.weight();
        Tensor laidOut = linear.layout() == Linear.Layout.OUT_IN ? residual : residual.t();
        Parameter rest = new Parameter(
                whole.name(), laidOut.contiguous().to(whole.dtype()).copy());
        return new PartedWeight(
                ReplacedParameter.in(linear, "weight", rest),
                initialA.copy().unscoped(),
                initialB.copy().unscoped());
    }

    /** A layer's weight as [out, in] in a type of at least float32, cut off from any graph. */
    public static Tensor dense(Linear linear) {
        Parameter weight = linear.weight();
        DType exact = AdapterDType.of(weight.dtype());
        Tensor dense = weight.as(exact).detach();
        return linear.layout() == Linear.Layout.OUT_IN ? dense : dense.t().contiguous();
    }

    /** The weight before the adapter took from it. */
    public Parameter whole() {
        return replaced.original();
    }

    /** [rank, in], what A was at first. */
    public Tensor initialA() {
        return initialA;
    }

    /** [out, rank], what B was at first. */
    public Tensor initialB() {
        return initialB;
    }

    public void install() {
        replaced.install();
    }

    public void putBack() {
        replaced.putBack();
    }

    public void free() {
        replaced.replacement().close();
        initialA.close();
        initialB.close();
    }
}
