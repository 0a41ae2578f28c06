package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Whether a pass drops elements (Srivastava et al. 2014). It goes with the pass's {@link SequenceContext}: on in a training
 * step only, in the recomputation of a checkpointed layer as in its first computation. Where processes have portions of a batch or
 * of a layer, each drops what a process with all of it would drop of its own.
 */
public final class Dropout {

    /** Elements are dropped, as the layers' probabilities say. */
    public static final Dropout ON = new Dropout(true, List.of(), null);

    /** Nothing is dropped. */
    public static final Dropout OFF = new Dropout(false, List.of(), null);

    private final boolean drops;
    private final List<Portion> portions; // each of what the next one is of
    private final @Nullable Portion heads;

    private Dropout(boolean drops, List<Portion> portions, @Nullable Portion heads) {
        this.drops = drops;
        this.portions = portions;
        this.heads = heads;
    }

    /**
     * What a pass says.
     *
     * @param context of the pass, or null where nothing is known about one
     * @return the context's own, off without one
     */
    public static Dropout of(@Nullable SequenceContext context) {
        return context == null ? OFF : context.dropout();
    }

    /** {@return whether elements are dropped at all} */
    public boolean isOn() {
        return drops;
    }

    /**
     * The same where there is a portion only of what there was.
     *
     * @param portion of it; null for all
     * @return dropout for what is here
     */
    public Dropout ofPortion(@Nullable Portion portion) {
        if (!drops || portion == null) {
            return this;
        }
        List<Portion> all = new ArrayList<>(List.of(portion));
        all.addAll(portions);
        return new Dropout(true, List.copyOf(all), heads);
    }

    /**
     * The same for layers that have some of the heads.
     *
     * @param portion of attention weights [batch, heads, seq, keys]; null for all
     * @return dropout for them
     */
    Dropout ofHeads(@Nullable Portion portion) {
        return drops ? new Dropout(true, portions, portion) : this;
    }

    /**
     * {@return the same for what is no portion that is known: every process draws by itself}
     */
    Dropout byItself() {
        return drops ? new Dropout(true, List.of(), heads) : this;
    }

    /**
     * Where tokens that are here lie in the batch of which they are a portion.
     *
     * @param tokens how many, of all rows that are here
     * @return the place of each among all tokens of the batch, one row after the other
     */
    long[] places(long tokens) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            List<long[]> shapes = shapes(new long[] {tokens});
            Tensor places = Tensors.arange(shapes.get(portions.size())[0], Device.CPU);
            return ofPortions(places, shapes).toLongArray();
        }
    }

    /**
     * How many tokens the batch has of which those that are here are a portion.
     *
     * @param tokens how many, of all rows that are here
     * @return those elsewhere among them
     */
    long tokensOfAll(long tokens) {
        return shapes(new long[] {tokens}).get(portions.size())[0];
    }

    /**
     * Drops elements with the given probability and scales up the others, where dropout is on.
     *
     * @param x of any shape
     * @param probability of an element to be dropped
     * @return what is left
     */
    public Tensor apply(Tensor x, double probability) {
        return probability(probability) <= 0 ? x : drop(x, probability);
    }

    /**
     * Drops attention weights as {@link #apply} drops elements.
     *
     * @param weights [batch, heads, seq, keys]
     * @param probability of one to be dropped
     * @return what is left
     */
    Tensor applyToHeads(Tensor weights, double probability) {
        return ofPortion(heads).apply(weights, probability);
    }

    private Tensor drop(Tensor x, double probability) {
        List<long[]> shapes = shapes(x.shape());
        long[] whole = shapes.get(portions.size());
        if (Arrays.equals(whole, x.shape())) {
            return Functional.dropout(x, probability);
        }
        Tensor kept;
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor drawn = Functional.dropout(Tensors.ones(x.dtype(), x.device(), whole), probability);
            kept = scope.keep(ofPortions(drawn, shapes).copy()); // the rest need not be kept
        }
        return x.mul(kept);
    }

    /** Of what is here, and of all that it is a portion of. */
    private List<long[]> shapes(long[] own) {
        List<long[]> shapes = new ArrayList<>(List.of(own));
        for (Portion portion : portions) {
            shapes.add(portion.whole(shapes.get(shapes.size() - 1)));
        }
        return shapes;
    }

    private Tensor ofPortions(Tensor whole, List<long[]> shapes) {
        Tensor own = whole;
        for (int i = portions.size() - 1; i >= 0; i--) {
            own = portions.get(i).of(own, shapes.get(i));
        }
        return own;
    }

    /**
     * {@code probability} where dropout is on, else 0.
     *
     * @param probability of an element to be dropped
     * @return the probability to use
     */
    public double probability(double probability) {
        return drops ? probability : 0;
    }
}
