package org.finetune4j.generate;

import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Measures what a model's keys and values take, by letting it read one token. */
final class KeyValueSize implements KeyValueCache {

    private long bytes;

    private KeyValueSize() {}

    /** The bytes of one token's keys and values in all layers. */
    static long ofToken(CausalLM model) {
        KeyValueSize size = new KeyValueSize();
        try (TensorScope scope = TensorScope.open()) {
            ModelInputs inputs = ModelInputs.of(new int[] {0});
            model.hiddenStates(inputs, model.context(inputs, size));
        }
        return size.bytes;
    }

    @Override
    public int length() {
        return 0;
    }

    @Override
    public Tensor attend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        bytes += keys.numel() * keys.dtype().itemSize()
                + values.numel() * values.dtype().itemSize();
        return attention.over(query, keys, values, null, true);
    }
}
