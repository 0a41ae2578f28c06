package org.finetune4j.nn;

import java.util.List;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * Puts a prefix before the keys and values of whole sequences. It keeps nothing: in training every layer reads its part of
 * the prefix and its own tokens, again when it is computed again.
 */
public final class PrefixCache implements KeyValueCache {

    private final Prompt.Prefix prefix;

    /**
     * A cache that begins with virtual tokens.
     *
     * @param prefix comes first
     */
    public PrefixCache(Prompt.Prefix prefix) {
        this.prefix = prefix;
    }

    @Override
    public int length() {
        return prefix.length();
    }

    @Override
    public boolean isTrainable() {
        return prefix.tensors().stream().anyMatch(Tensor::requiresGrad);
    }

    @Override
    public Tensor attend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        KeyValues before = prefix.expanded(layer, keys.size(0));
        return attention.over(
                query,
                Tensors.cat(List.of(before.keys(), keys), 1), // [batch, length + seq, kvHeads, headDim]
                Tensors.cat(List.of(before.values(), values), 1),
                context);
    }
}
