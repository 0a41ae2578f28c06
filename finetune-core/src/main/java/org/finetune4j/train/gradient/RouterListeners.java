package org.finetune4j.train.gradient;

import java.util.List;
import org.finetune4j.nn.RouterListener;
import org.finetune4j.nn.RouterLoss;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A listener that counts beside an extra loss, where there is one.
 *
 * @param counting is told first
 * @param loss adds to the training's, or null
 */
record RouterListeners(RouterListener counting, @Nullable RouterLoss loss) implements RouterLoss {

    @Override
    public void routed(int layer, Tensor logits, Tensor probabilities, Tensor chosen) {
        counting.routed(layer, logits, probabilities, chosen);
        if (loss != null) {
            loss.routed(layer, logits, probabilities, chosen);
        }
    }

    @Override
    public List<Tensor> takeOutputs() {
        return loss == null ? List.of() : loss.takeOutputs();
    }

    @Override
    public Tensor outputGradient() {
        if (loss == null) {
            throw new IllegalStateException("what only counts has no gradient");
        }
        return loss.outputGradient();
    }
}
