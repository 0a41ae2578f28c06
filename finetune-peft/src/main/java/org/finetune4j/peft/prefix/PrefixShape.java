package org.finetune4j.peft.prefix;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.nn.Prompt;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * What a prefix of a model looks like.
 *
 * @param layers number of layers
 * @param heads key and value heads of a layer, which grouped-query attention has fewer of than query heads
 * @param headDim size of a head
 */
record PrefixShape(int layers, int heads, int headDim) {

    /** Asks the model itself, with one token. */
    static PrefixShape of(CausalLM model) {
        try (TensorScope scope = TensorScope.open()) {
            List<KeyValues> layers = LayerRecorder.record(model, 0);
            Tensor keys = layers.get(0).keys(); // [1, 1, kvHeads, headDim]
            PrefixShape shape = new PrefixShape(layers.size(), (int) keys.size(2), (int) keys.size(3));
            LayerRecorder.close(layers);
            return shape;
        }
    }

    /** Keys of one layer, for all heads. */
    int tokenDim() {
        return heads * headDim;
    }

    /** All numbers of one virtual token. */
    long width() {
        return 2L * layers * tokenDim();
    }

    Sizes sizes() {
        return new Sizes(layers, tokenDim(), heads);
    }

    /** Takes {@code encoded} [tokens, width] apart: a layer's keys, its values, the next layer's keys, and so on. */
    Prompt layout(Tensor encoded) {
        Tensor parts = encoded.view(encoded.size(0), 2L * layers, heads, headDim);
        List<KeyValues> all = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            all.add(new KeyValues(parts.select(1, 2L * layer), parts.select(1, 2L * layer + 1)));
        }
        return new Prompt.Prefix(all);
    }
}
