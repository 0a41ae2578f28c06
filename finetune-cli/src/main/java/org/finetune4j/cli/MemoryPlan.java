package org.finetune4j.cli;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;

/**
 * An estimate of the memory that a training takes at its peak, in bytes.
 *
 * @param trainable scalars that train
 * @param total scalars of the model and what a method added
 * @param weights all parameters, in the types they are stored in
 * @param optimizerState gradients and AdamW's two moments, float32 each
 * @param activations what is kept for the backward pass of a batch of the longest samples
 */
record MemoryPlan(long trainable, long total, long weights, long optimizerState, long activations) {

    /**
     * Floats that a layer keeps a token, in units of the hidden size: two norms, query, key, value, attention and its
     * output, the residual stream twice, and a feed-forward block about three times as wide that keeps four tensors.
     */
    private static final long KEPT_HIDDEN_SIZES = 24;

    /** @param tokens of the largest batch */
    static MemoryPlan of(CausalLM model, AttachedStrategy strategy, long tokens, int checkpointedLayers) {
        Collection<Parameter> trained = strategy.trainableParameters();
        Set<Parameter> all = new LinkedHashSet<>(model.network().allParameters());
        all.addAll(trained);
        long trainable = trained.stream().mapToLong(Parameter::numel).sum();
        long weights = all.stream().mapToLong(Parameter::bytes).sum();
        long hidden = model.network().inputEmbedding().weight().size(1);
        long layers = model.network().layers().size();
        long perLayer = tokens * hidden * KEPT_HIDDEN_SIZES * Float.BYTES;
        long activations = checkpointedLayers == 0
                ? layers * perLayer
                : checkpointedLayers * perLayer + layers / checkpointedLayers * tokens * hidden * Float.BYTES;
        return new MemoryPlan(
                trainable,
                all.stream().mapToLong(Parameter::numel).sum(),
                weights,
                3 * trainable * Float.BYTES,
                activations);
    }

    /** One line for people. */
    String describe() {
        return String.format(
                Locale.ROOT,
                "about %,d MB: weights %,d, gradients and optimizer %,d, activations up to %,d",
                megabytes(weights + optimizerState + activations),
                megabytes(weights),
                megabytes(optimizerState),
                megabytes(activations));
    }

    private static long megabytes(long bytes) {
        return bytes >> 20;
    }
}
