package org.finetune4j.peft.prefix;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.AxisSlice;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Prompt;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * What a prefix of a model looks like.
 *
 * @param layers number of layers
 * @param heads key and value heads of a layer, which grouped-query attention has fewer of than query heads
 * @param headDim size of a head
 * @param own which features of a layer's keys this process has, or null for all
 */
record PrefixShape(
        int layers, int heads, int headDim, @Nullable AxisSlice own) {

    /** Asks the model itself, with one token. */
    static PrefixShape of(CausalLM model) {
        try (TensorScope scope = TensorScope.open()) {
            List<KeyValues> layers = LayerRecorder.record(model, 0);
            Tensor keys = layers.get(0).keys(); // [1, 1, kvHeads, headDim]
            int headDim = (int) keys.size(3);
            AxisSlice own = model.network().layers().get(0).keySlice();
            int heads = (int) (own == null ? keys.size(2) : own.whole() / headDim);
            LayerRecorder.close(layers);
            return new PrefixShape(layers.size(), heads, headDim, own);
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

    /**
     * Takes {@code encoded} [tokens, width] apart: a layer's keys, its values, the next layer's keys, and so on. Every process has all
     * of it, and uses its own heads.
     */
    Prompt layout(Tensor encoded) {
        Tensor parts = ownFeatures(encoded).view(encoded.size(0), 2L * layers, -1, headDim);
        List<KeyValues> all = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            all.add(new KeyValues(parts.select(1, 2L * layer), parts.select(1, 2L * layer + 1)));
        }
        return new Prompt.Prefix(all);
    }

    /**
     * Brings together what the processes have of keys and values that the model made.
     *
     * @param made [tokens, 2 * layers * own features]
     * @return [tokens, width]
     */
    Tensor whole(Tensor made) {
        if (own == null) {
            return made;
        }
        long tokens = made.size(0);
        Tensor features =
                made.detach().reshape(tokens, 2L * layers, own.length()).copy();
        try (Parameter share = new Parameter("prefix", features)) {
            return own.gather(share, 2, made.dtype()).reshape(tokens, width());
        }
    }

    private Tensor ownFeatures(Tensor encoded) {
        if (own == null) {
            return encoded;
        }
        Tensor shared = own.region().enter(encoded);
        return own.of(shared.view(encoded.size(0), 2L * layers, tokenDim()), 2); // [tokens, 2 * layers, own]
    }
}
