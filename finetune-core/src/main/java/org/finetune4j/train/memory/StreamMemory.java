package org.finetune4j.train.memory;

import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.DecoderLayer;

/**
 * What of the activations of all layers is as wide as the hidden states: ranks that share matrices divide what is within the blocks,
 * and have this of all tokens.
 *
 * @param norms bytes that the norms between the blocks keep, which can be divided by tokens
 * @param inputs bytes of what goes into the blocks, and of what adapters keep between their two matrices
 */
public record StreamMemory(long norms, long inputs) {

    /**
     * Counts what is kept for a batch, as {@link MemoryPlan} does.
     *
     * @param model with the method on it
     * @param tokens of the batch
     * @return the bytes
     */
    public static StreamMemory of(CausalLM model, long tokens) {
        DecoderModel network = model.network();
        long hidden = network.inputEmbedding().weight().size(1);
        long scalars = tokens * model.computeDType().itemSize();
        boolean recorded = network.embeddingTrains();
        long norms = 0;
        long inputs = 0;
        for (DecoderLayer layer : network.layers()) {
            recorded |= layer.isTrainable();
            if (recorded) {
                LayerMemory memory = LayerMemory.of(layer, hidden, model.computeDType());
                norms += scalars * memory.normsPerToken();
                inputs += scalars * memory.inputsPerToken();
            }
        }
        return new StreamMemory(norms, inputs);
    }
}
