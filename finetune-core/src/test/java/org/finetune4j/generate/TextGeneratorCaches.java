package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Runs a model with the cache that generation uses. */
public final class TextGeneratorCaches {

    private TextGeneratorCaches() {}

    /** The scores after the prompt's last token and after every token that follows it, [1 + more, vocabulary]. */
    public static float[] logitsTokenByToken(CausalLM model, int[] ids, int prompt) {
        try (TensorScope scope = TensorScope.open();
                BatchDecoder decoder = new BatchDecoder(model, Long.MAX_VALUE, 0, PackedWeights.usualBytes())) {
            DecoderRow row = new DecoderRow(new TokenSequence(Arrays.copyOf(ids, prompt)), null);
            decoder.add(row, ids.length);
            List<Tensor> scores = new ArrayList<>();
            for (int to = prompt; to <= ids.length; to++) {
                scores.add(decoder.read(List.of(row), Integer.MAX_VALUE).scores());
                if (to < ids.length) {
                    row.tokens().add(ids[to]);
                }
            }
            return Tensors.cat(scores, 0).toFloatArray();
        }
    }
}
