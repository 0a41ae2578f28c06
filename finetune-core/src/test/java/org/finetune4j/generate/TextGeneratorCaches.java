package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Runs a model with the cache that generation uses. */
public final class TextGeneratorCaches {

    private TextGeneratorCaches() {}

    /** The scores after the prompt's last token and after every token that follows it, [1 + more, vocabulary]. */
    public static float[] logitsTokenByToken(CausalLM model, int[] ids, int prompt) {
        try (TensorScope scope = TensorScope.open();
                GrowingKeyValueCache cache = new GrowingKeyValueCache(ids.length)) {
            List<Tensor> scores = new ArrayList<>();
            int from = 0;
            for (int to = prompt; to <= ids.length; to++) {
                byte[] seen = new byte[to];
                Arrays.fill(seen, (byte) 1);
                scores.add(step(model, cache, Arrays.copyOfRange(ids, from, to), from, seen));
                from = to;
            }
            return Tensors.cat(scores, 0).toFloatArray();
        }
    }

    private static Tensor step(CausalLM model, GrowingKeyValueCache cache, int[] ids, int from, byte[] seen) {
        int[] positions = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            positions[i] = from + i;
        }
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        ModelInputs inputs = new ModelInputs(1, ids.length, ids, mask, positions);
        Tensor hidden = model.hiddenStates(inputs, model.context(inputs, cache, seen));
        cache.advance(ids.length);
        return model.network().logits(hidden.select(1, ids.length - 1L)); // [1, vocabulary]
    }
}
