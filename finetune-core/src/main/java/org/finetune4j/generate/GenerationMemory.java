package org.finetune4j.generate;

import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;

/** What a {@link GenerationEngine} takes beside its model, from the shapes of what it holds. */
public final class GenerationMemory {

    /** Scores as the output layer gives them, in float32, and as the sampler changes them. */
    private static final int COPIES_OF_SCORES = 3;

    private GenerationMemory() {}

    /**
     * The bytes at the peak: keys and values of all rows that run at once, copies of weights, and the largest pass.
     *
     * @param model that answers
     * @param limits of the engine
     * @param answers to be computed in all
     * @param prompt tokens of the longest prompt
     * @param answer tokens of the longest answer
     * @return the number of bytes
     */
    public static long bytes(CausalLM model, GenerationLimits limits, int answers, int prompt, int answer) {
        long rows = Math.min(limits.maxRows(), answers);
        long cache = Math.min(limits.cacheBytes(), rows * RowBlock.room(prompt + answer) * cacheBytesOfToken(model));
        long tokens = Math.max(rows, Math.min(limits.tokensPerPass(), rows * prompt));
        long vocabulary = model.network().outputLayer().outFeatures();
        return cache
                + packedBytes(model, limits)
                + tokens * widths(model) * model.computeDType().itemSize()
                + COPIES_OF_SCORES * rows * vocabulary * Float.BYTES;
    }

    /**
     * The part of {@link #bytes} that is copies of weights. The allocator keeps their room when they are gone.
     *
     * @param model that answers
     * @param limits of the engine
     * @return the number of bytes
     */
    public static long packedBytes(CausalLM model, GenerationLimits limits) {
        return model.computeDType() == DType.FLOAT32
                ? PackedWeights.expectedBytes(model.network(), limits.packedBytes())
                : 0;
    }

    private static long cacheBytesOfToken(CausalLM model) {
        try (CausalLM.Entry entry = model.enter();
                Autograd.Mode mode = Autograd.disabled()) {
            return KeyValueSize.ofToken(model);
        }
    }

    /** What a layer's linear parts give for one token, all at once: a pass without gradients holds one layer. */
    private static long widths(CausalLM model) {
        return model.network().layers().stream()
                .mapToLong(layer -> layer.namedModules().values().stream()
                        .filter(module -> module instanceof Linear)
                        .mapToLong(module -> ((Linear) module).outFeatures())
                        .sum())
                .max()
                .orElse(0);
    }
}
