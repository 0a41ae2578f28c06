package org.finetune4j.peft;

import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** A dense change of the weight that may be left out in training, in rows or as a whole, as LyCORIS has it. */
public abstract class WeightDeltaLayer extends DenseDeltaLayer {

    private final LycorisConfig config;

    /**
     * Makes the layer without changing the model.
     *
     * @param model the whole network
     * @param path the layer's path in it
     * @param base the layer itself
     * @param config rank, scale and dropout
     */
    protected WeightDeltaLayer(Module model, String path, Linear base, LycorisConfig config) {
        super(model, path, base);
        this.config = config;
    }

    /** {@return whether {@code rank_dropout} scales up what it leaves} */
    protected abstract boolean scalesRankDropout();

    @Override
    public final Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        Dropout active = Dropout.of(context);
        Tensor output = linear.project(x, context);
        double leftOut = active.probability(config.moduleDropout());
        if (leftOut > 0
                && InitialValues.zeros(x.device(), 1).uniformInPlace(0, 1).item() <= leftOut) {
            return output;
        }
        return changed(output, x, withRankDropout(delta(x.dtype()), active));
    }

    private Tensor withRankDropout(Tensor delta, Dropout active) {
        double probability = active.probability(config.rankDropout());
        if (probability == 0) {
            return delta;
        }
        Tensor kept = Tensors.zeros(delta.dtype(), delta.device(), delta.size(0), 1)
                .uniformInPlace(0, 1)
                .greaterThan(probability)
                .to(delta.dtype()); // [out, 1]
        return delta.mul(scalesRankDropout() ? kept.div(kept.mean()) : kept);
    }
}
