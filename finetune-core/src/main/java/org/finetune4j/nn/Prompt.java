package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.tensor.Tensor;

/** Virtual tokens that stand before the tokens of every sequence of a batch and are seen by all of them. */
public sealed interface Prompt {

    /** {@return the number of virtual tokens} */
    int length();

    /** {@return every tensor that the prompt consists of} */
    List<Tensor> tensors();

    /**
     * {@return the same prompt with every tensor changed}
     *
     * @param change applied to each
     */
    Prompt map(UnaryOperator<Tensor> change);

    /**
     * Keys and values in every layer (Li and Liang 2021). The virtual tokens ask nothing, so they have no place in the
     * hidden states.
     *
     * @param layers [length, kvHeads, headDim] for each layer; keys are used as they are, without a rotary embedding
     */
    record Prefix(List<KeyValues> layers) implements Prompt {

        /**
         * Takes a copy of the list.
         *
         * @param layers [length, kvHeads, headDim] for each layer
         */
        public Prefix {
            layers = List.copyOf(layers);
        }

        @Override
        public int length() {
            return (int) layers.get(0).keys().size(0);
        }

        @Override
        public List<Tensor> tensors() {
            List<Tensor> tensors = new ArrayList<>();
            for (KeyValues layer : layers) {
                tensors.add(layer.keys());
                tensors.add(layer.values());
            }
            return tensors;
        }

        @Override
        public Prefix map(UnaryOperator<Tensor> change) {
            return new Prefix(layers.stream()
                    .map(layer -> new KeyValues(change.apply(layer.keys()), change.apply(layer.values())))
                    .toList());
        }

        /** One layer's keys and values for so many rows: [rows, length, kvHeads, headDim]. */
        KeyValues expanded(int layer, long rows) {
            KeyValues one = layers.get(layer);
            return new KeyValues(expanded(one.keys(), rows), expanded(one.values(), rows));
        }

        private static Tensor expanded(Tensor one, long rows) {
            return one.unsqueeze(0).expand(rows, one.size(0), one.size(1), one.size(2));
        }
    }

    /**
     * Vectors in the place of token embeddings (Lester et al. 2021, Liu et al. 2021). They run through all layers as tokens
     * do.
     *
     * @param embeddings [length, hidden], or [rows, length, hidden] where rows have vectors of their own
     */
    record Embeddings(Tensor embeddings) implements Prompt {

        @Override
        public int length() {
            return (int) embeddings.size(-2);
        }

        @Override
        public List<Tensor> tensors() {
            return List.of(embeddings);
        }

        @Override
        public Embeddings map(UnaryOperator<Tensor> change) {
            return new Embeddings(change.apply(embeddings));
        }
    }
}
