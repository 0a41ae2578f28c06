package org.finetune4j.rlhf.preference;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.train.gradient.TokenLogprobs;
import org.jspecify.annotations.Nullable;

/**
 * What the model was before it began to learn. It has no weights of its own: it is the same base with the adapter off, or
 * what it said was written down before the first step.
 */
final class ReferenceModel {

    private final CausalLM model;
    private final @Nullable Adapter adapter;

    private ReferenceModel(CausalLM model, @Nullable Adapter adapter) {
        this.model = model;
        this.adapter = adapter;
    }

    /** The base below an adapter. */
    static ReferenceModel below(CausalLM model, Adapter adapter) {
        return new ReferenceModel(model, adapter);
    }

    /** The model as it is now. */
    static ReferenceModel now(CausalLM model) {
        return new ReferenceModel(model, null);
    }

    /** The log-probability of each part of a batch. */
    double[] sums(Batch batch) {
        return AnswerTokens.of(batch).sums(logprobs(batch));
    }

    /** The batch with this model's log-probabilities, unless it has a reference's already. */
    Batch complete(Batch batch) {
        if (batch.columns().containsKey(PreferenceColumns.REFERENCE)) {
            return batch;
        }
        double[] sums = sums(batch);
        float[][] column = Arrays.stream(batch.column(PreferenceColumns.ANSWER_TOKENS))
                .map(float[]::clone)
                .toArray(float[][]::new);
        int next = 0;
        for (float[] row : column) {
            for (int part = 0; part < row.length; part++) {
                row[part] = (float) sums[next++];
            }
        }
        Map<String, float[][]> columns = new HashMap<>(batch.columns());
        columns.put(PreferenceColumns.REFERENCE, column);
        return batch.withColumns(columns);
    }

    private TokenLogprobs logprobs(Batch batch) {
        if (adapter == null) {
            return TokenLogprobs.of(model, batch);
        }
        adapter.disable();
        try {
            return TokenLogprobs.of(model, batch);
        } finally {
            adapter.enable();
        }
    }
}
