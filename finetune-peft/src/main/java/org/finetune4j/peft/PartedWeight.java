package org.finetune4j.peft;

import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

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
     * @param linear whose weight is exchanged
     * @param residual [out, in], what stays with the base
     * @param initialA [rank, in], kept to tell later what was learned
     * @param initialB [out, rank]
     * @return the exchange, not yet made
     */
    public static PartedWeight of(Linear linear, Tensor residual, Tensor initialA, Tensor initialB) {
        Parameter whole = linear.weight();
        Tensor laidOut = linear.layout() == Linear.Layout.OUT_IN ? residual : residual.t();
        Parameter rest = new Parameter(
                        whole.name(), laidOut.contiguous().to(whole.dtype()).copy())
                .sharedAs(whole);
        return new PartedWeight(
                ReplacedParameter.in(linear, "weight", rest),
                initialA.copy().unscoped(),
                initialB.copy().unscoped());
    }

    /**
     * Prepares the exchange with another compressed weight.
     *
     * @param linear whose weight is exchanged
     * @param rest in the layer's layout, taken over
     * @param initialA [rank, in], kept to tell later what was learned
     * @param initialB [out, rank]
     * @return the exchange, not yet made
     */
    public static PartedWeight of(Linear linear, CompressedWeight rest, Tensor initialA, Tensor initialB) {
        Parameter replacement = new Parameter(linear.weight().name(), rest);
        return new PartedWeight(
                ReplacedParameter.in(linear, "weight", replacement),
                initialA.copy().unscoped(),
                initialB.copy().unscoped());
    }

    /**
     * A layer's weight as [out, in] in a type of at least float32, cut off from any graph.
     *
     * @param linear read only
     * @param context of the batch that the layer works on; null where there is none
     * @return [out, in], which belongs to the scope
     */
    public static Tensor dense(Linear linear, @Nullable SequenceContext context) {
        Parameter weight = linear.weight();
        DType exact = AdapterDType.of(weight.dtype());
        Tensor dense = weight.as(exact, context).detach();
        return linear.layout() == Linear.Layout.OUT_IN ? dense : dense.t().contiguous();
    }

    /**
     * The checkpoint's weight as [out, in] in a type of at least float32, of which this process may have a slice: all ranks ask together.
     *
     * @param linear read only
     * @return [whole out, whole in], which belongs to the scope
     */
    public static Tensor whole(Linear linear) {
        Parameter weight = linear.weight();
        if (weight.slice() == null) {
            return dense(linear, null);
        }
        Tensor whole = weight.whole(AdapterDType.of(weight.dtype()));
        return linear.layout() == Linear.Layout.OUT_IN ? whole : whole.t().contiguous();
    }

    /** {@return the weight before the adapter took from it} */
    public Parameter whole() {
        return replaced.original();
    }

    /** {@return [rank, in], what A was at first} */
    public Tensor initialA() {
        return initialA;
    }

    /** {@return [out, rank], what B was at first} */
    public Tensor initialB() {
        return initialB;
    }

    /** Puts the rest in the place of the whole weight. */
    public void install() {
        replaced.install();
    }

    /** Puts the whole weight back. */
    public void putBack() {
        replaced.putBack();
    }

    /** Frees what this holds; the whole weight must be back by then. */
    public void free() {
        replaced.replacement().close();
        initialA.close();
        initialB.close();
    }
}
