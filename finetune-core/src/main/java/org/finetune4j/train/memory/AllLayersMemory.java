package org.finetune4j.train.memory;

import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.SegmentMemory;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.NativeAllocator;
import org.finetune4j.train.gradient.GradientCheckpointing;

/**
 * What all decoder layers together need for one batch.
 *
 * @param kept bytes kept for the backward pass, with the gaps between them
 * @param backward bytes that the largest layer needs while it goes backwards
 * @param stays bytes of what is kept that serve nothing but gradients when a layer has gone back
 */
record AllLayersMemory(long kept, long backward, long stays) {

    /**
     * Gaps of a whole pass, in those of one layer: what was resident above what was asked for, once the gaps that grow with
     * the number of layers were taken off, on models of 6 and of 30 layers.
     */
    private static final int GAPS_OF_A_PASS = 6;

    static AllLayersMemory of(
            CausalLM model, long tokens, GradientCheckpointing checkpointing, SegmentFactory segments) {
        DecoderModel network = model.network();
        long hidden = network.inputEmbedding().weight().size(1);
        long scalars = tokens * model.computeDType().itemSize();
        boolean leavesGaps = scalars * hidden < NativeAllocator.smallestMappedBlock();
        boolean recorded = network.embeddingTrains();
        long kept = 0;
        long largest = 0;
        long backward = 0;
        long gaps = 0;
        long stays = 0;
        for (DecoderLayer layer : network.layers()) {
            LayerMemory memory = LayerMemory.of(layer, hidden, model.computeDType());
            long converted = model.computeDType().itemSize() * memory.convertedWeights();
            SegmentMemory known = isExact(model) ? segments.memory(layer).orElse(null) : null;
            long layerGaps = leavesGaps && known == null ? scalars * memory.gapsPerToken() : 0;
            // Nothing is kept below the first layer that trains.
            recorded |= layer.isTrainable();
            long layerKept = 0;
            if (known != null) {
                layerKept = recorded ? scalars * known.kept() : 0;
                gaps = Math.max(gaps, scalars * known.passing() + converted);
                stays += layerKept;
            } else {
                layerKept = recorded ? scalars * memory.keptPerToken() + layerGaps + converted : 0;
                backward = Math.max(backward, scalars * memory.backwardPerToken());
                gaps = Math.max(gaps, GAPS_OF_A_PASS * layerGaps);
            }
            kept += layerKept;
            largest = Math.max(largest, layerKept);
        }
        if (checkpointing.everyLayers() > 0) {
            kept = checkpointed(checkpointing, network.layers(), scalars * hidden, kept, largest);
            stays = Math.min(stays, kept);
        }
        return new AllLayersMemory(kept + gaps, backward, stays);
    }

    /** Whether numbers are those that a segment's own memory is counted in. */
    private static boolean isExact(CausalLM model) {
        return model.computeDType() == DType.FLOAT32 && model.device().equals(Device.CPU);
    }

    /** The inputs of all groups of layers, and one group computed again. */
    private static long checkpointed(
            GradientCheckpointing checkpointing,
            List<? extends DecoderLayer> layers,
            long input,
            long everything,
            long largestLayer) {
        int groupSize = checkpointing.everyLayers();
        boolean inMemory = checkpointing.offloadDirectory() == null;
        long inputs = inMemory ? (layers.size() + groupSize - 1) / groupSize : 1;
        return inputs * input + Math.min(everything, groupSize * largestLayer);
    }
}
