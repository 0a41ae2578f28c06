package org.finetune4j.model;

import java.util.List;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.RotaryFrequencies;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A decoder as a chain of segments: embedding, layers, final norm and output layer. Training, generation and sharding
 * drive the segments; an architecture only says what each of them does. Modules and parameters are named as in
 * transformers.
 */
public abstract class DecoderModel extends Module {

    /**
     * Turns token ids into the first hidden states.
     *
     * @param inputIds [batch, seq] int64
     * @return [batch, seq, hidden] in {@code computeDType}, with the context's virtual tokens before the others
     */
    public abstract Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType);

    /**
     * The embeddings of the tokens, after the context's virtual ones where it has some. What an architecture adds to token
     * embeddings or multiplies them with comes after this.
     *
     * @param inputIds [batch, seq] int64
     * @return [batch, virtual + seq, hidden]
     */
    protected final Tensor tokenEmbeddings(Tensor inputIds, SequenceContext context, DType computeDType) {
        Tensor tokens = inputEmbedding().forward(inputIds, computeDType); // [batch, seq, hidden]
        Tensor virtual = context.virtualEmbeddings();
        if (virtual == null) {
            return tokens;
        }
        Tensor rows = virtual.unsqueeze(0).expand(tokens.size(0), virtual.size(0), virtual.size(1));
        return Tensors.cat(List.of(rows, tokens), 1); // [batch, virtual + seq, hidden]
    }

    /** The layers in their order. */
    public abstract List<? extends DecoderLayer> layers();

    /** The final norm: [..., hidden] to [..., hidden]. */
    public abstract Tensor finalNorm(Tensor hiddenStates);

    /** The table of token embeddings. */
    public abstract Embedding inputEmbedding();

    /** Whether training changes anything that {@link #embed} uses. */
    public boolean embeddingTrains() {
        return inputEmbedding().isTrainable();
    }

    /** The output layer, from hidden to vocabulary. */
    public abstract Linear outputLayer();

    /** The speeds of the rotary embedding, or null in a model without one. */
    public abstract @Nullable RotaryFrequencies rotaryFrequencies();

    /** The longest sequence the model can see. */
    public abstract int maxPositions();

    /** The scores of every token of the vocabulary, from hidden states after the final norm: [..., vocabulary]. */
    public Tensor logits(Tensor normalised) {
        return outputLayer().forward(normalised);
    }

    /** Whether the output layer's weight is the embedding's. */
    public final boolean isTied() {
        return outputLayer().weight() == inputEmbedding().weight();
    }
}
