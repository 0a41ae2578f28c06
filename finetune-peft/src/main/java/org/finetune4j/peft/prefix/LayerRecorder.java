package org.finetune4j.peft.prefix;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Keeps the keys and values that the layers of a model make of some tokens. */
final class LayerRecorder implements KeyValueCache {

    private final List<KeyValues> layers = new ArrayList<>();

    private LayerRecorder() {}

    /**
     * Runs a model on one sequence.
     *
     * @return for each layer keys (after the rotary embedding) and values, [1, tokens, kvHeads, headDim], in the caller's
     *     scope
     * @throws UserErrorException when a layer has none, or the layers' are not alike
     */
    static List<KeyValues> record(CausalLM model, int... tokens) {
        LayerRecorder recorder = new LayerRecorder();
        ModelInputs inputs = ModelInputs.of(tokens);
        SequenceContext context = model.context(inputs, (Prompt) null).withCache(recorder);
        model.hiddenStates(inputs, context);
        int expected = model.network().layers().size();
        boolean alike = recorder.layers.stream()
                .allMatch(layer -> Arrays.equals(
                        layer.keys().shape(), recorder.layers.get(0).keys().shape()));
        if (recorder.layers.size() != expected || !alike) {
            throw new UserErrorException(
                    model.config().architecture() + ": a prefix needs keys and values of one shape in every layer");
        }
        return recorder.layers;
    }

    @Override
    public int length() {
        return 0;
    }

    @Override
    public Tensor attend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        // Out of the scope of the layer, into nobody's: the values of a small text are copied once.
        layers.add(new KeyValues(keys.copy().unscoped(), values.copy().unscoped()));
        return attention.over(query, keys, values, context);
    }

    /** A prefix table [tokens, 2 * layers * kvHeads * headDim] of what was recorded. */
    static Tensor table(List<KeyValues> layers) {
        List<Tensor> columns = new ArrayList<>();
        for (KeyValues layer : layers) {
            columns.add(row(layer.keys()));
            columns.add(row(layer.values()));
        }
        return Tensors.cat(columns, 1);
    }

    private static Tensor row(Tensor recorded) {
        return recorded.reshape(recorded.size(1), -1); // [tokens, kvHeads * headDim]
    }

    static void close(List<KeyValues> layers) {
        layers.forEach(layer -> {
            layer.keys().close();
            layer.values().close();
        });
    }
}
