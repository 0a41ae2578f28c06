package org.finetune4j.nn;

import java.util.Collection;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** What a parameter-efficient method adds to a {@link Linear} layer. */
public interface LinearExtension {

    /**
     * The extended layer's output. {@link Linear#project} gives the base layer's own.
     *
     * @param base the layer
     * @param x [..., in]
     * @param context what is known about the batch whose rows {@code x} has; without rows where
     *     {@code x} has tokens by themselves, as those of an expert or those that have a label; null where nothing is known
     * @return [..., out]
     */
    Tensor forward(Linear base, Tensor x, @Nullable SequenceContext context);

    /**
     * {@return what the extension adds to the layer, where that is a low-rank product and nothing else in a pass with this
     * dropout; else null}
     *
     * @param dropout of the pass
     */
    default @Nullable LowRankUpdate lowRank(Dropout dropout) {
        return null;
    }

    /** {@return the parameters that the method adds} They belong to the method, not to the layer. */
    Collection<Parameter> parameters();
}
