package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** The rows of a beam search: all grow by one token a step, and what is likely takes the place of what is not. */
final class BeamRows implements AutoCloseable {

    private final BatchDecoder decoder;
    private final int mostTokens;
    private final @Nullable Integer task;
    private List<DecoderRow> rows = new ArrayList<>();

    /**
     * @param mostTokens how many tokens a row is going to have
     * @param task which task's virtual tokens rows begin with, or null
     */
    BeamRows(CausalLM model, int mostTokens, @Nullable Integer task) {
        this.decoder = new BatchDecoder(model, Long.MAX_VALUE, 0, PackedWeights.usualBytes());
        this.mostTokens = mostTokens;
        this.task = task;
    }

    /**
     * Starts with a row for each prompt.
     *
     * @param adapters which adapter each prompt uses, or null where all use what the model has
     * @return scores [prompts, vocabulary] of the tokens that follow, to be closed
     */
    Tensor start(List<int[]> prompts, @Nullable RowAdapters adapters) {
        for (int prompt = 0; prompt < prompts.size(); prompt++) {
            RowAdapterChoice choice = adapters == null ? null : new RowAdapterChoice(adapters, prompt, prompts.size());
            DecoderRow row = new DecoderRow(new TokenSequence(prompts.get(prompt)), choice);
            row.beginWith(task);
            decoder.add(row, mostTokens);
            rows.add(row);
        }
        return scores();
    }

    /** Puts the rows at {@code order} in the place of all rows; one row may be taken several times. */
    void select(int[] order) {
        RowBlock block = rows.get(0).block;
        if (block == null) {
            throw new IllegalStateException("beams are chosen before they start");
        }
        List<DecoderRow> chosen = new ArrayList<>(order.length);
        for (int place : order) {
            DecoderRow old = rows.get(place);
            DecoderRow row = new DecoderRow(old.tokens().copy(), old.adapters());
            row.beginWith(task);
            chosen.add(row);
        }
        decoder.select(block, order, chosen);
        rows = chosen;
    }

    /**
     * Goes on with one token a row.
     *
     * @return scores [rows, vocabulary] of the tokens that follow, to be closed
     */
    Tensor next(int[] tokens) {
        for (int row = 0; row < tokens.length; row++) {
            rows.get(row).tokens().add(tokens[row]);
        }
        return scores();
    }

    private Tensor scores() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor scores = decoder.read(rows, Integer.MAX_VALUE).scores();
            if (scores == null) {
                throw new IllegalStateException("a pass without a limit reads everything");
            }
            return scores.unscoped();
        }
    }

    @Override
    public void close() {
        decoder.close();
    }
}
