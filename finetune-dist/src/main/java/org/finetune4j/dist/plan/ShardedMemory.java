package org.finetune4j.dist.plan;

import java.util.Comparator;
import org.finetune4j.train.memory.MemoryPlan;

/** Core's plan of one device, divided as a {@link Layout} divides what it holds. With one device it is that plan. */
final class ShardedMemory {

    private ShardedMemory() {}

    /**
     * {@return what the device that needs most takes}
     *
     * @param shape of the training
     * @param layout how it is spread
     */
    static MemoryPlan of(TrainingShape shape, Layout layout) {
        MemoryPlan alone = shape.alone(layout.microBatch());
        int split = layout.tensorParallel();
        TrainingShape.Part stage = largestStage(shape, layout.pipelineParallel());
        double weightShare = ratio(stage.weights(), shape.all().weights()) / split;
        double trainedShare = ratio(stage.trainedBytes(), shape.all().trainedBytes()) / split;
        double expertWeights = ratio(shape.experts().weights(), shape.all().weights());
        double expertTrained = ratio(shape.experts().trainedBytes(), shape.all().trainedBytes());
        long gradients = scaled(alone.gradients(), trainedShare * share(layout, 2, expertTrained));
        TrainingShape.Part segment = shape.largestSegment();
        boolean sharesGradients = layout.zeroStage() >= 2 && layout.dataParallel() > 1;
        boolean sharesWeights = layout.zeroStage() >= Layout.LAST_STAGE && layout.dataParallel() > 1;
        long whole = TrainingShape.LAYERS_AT_ONCE * owned(shape.largestLayer().weights(), layout, expertWeights)
                + shape.tables().weights();
        long gathered = sharesWeights ? whole / split : 0;
        long unreduced = sharesGradients ? owned(segment.trainedBytes(), layout, expertTrained) / split : 0;
        // Beside all gradients: the second one of the embedding, one that is converted, or a layer's own needs.
        long beside = Math.max(0, alone.backward() - alone.gradients()) / split;
        double stateShare = trainedShare * share(layout, 1, expertTrained);
        return alone.toBuilder()
                .weights(scaled(alone.weights(), weightShare * share(layout, Layout.LAST_STAGE, expertWeights))
                        + gathered)
                .gradients(gradients)
                .accumulated(layout.accumulation() > 1 ? gradients : 0)
                .optimizerState(scaled(alone.optimizerState(), stateShare))
                .optimizerResident(scaled(alone.optimizerResident(), stateShare))
                .masters(scaled(alone.masters(), stateShare))
                .average(scaled(alone.average(), stateShare))
                .activations(activations(shape, layout, alone) / split)
                .backward(gradients + unreduced + beside)
                .head(alone.head() / split)
                .build();
    }

    /** The part of a device in what a stage shares, of which so much is experts'. */
    private static double share(Layout layout, int stage, double ofExperts) {
        return (1 - ofExperts) * layout.share(stage) + ofExperts * layout.expertShare(stage);
    }

    /** What a device has of bytes of a segment without ZeRO. */
    private static long owned(long bytes, Layout layout, double ofExperts) {
        return scaled(bytes, 1 - ofExperts + ofExperts / layout.expertParallel());
    }

    /** Bytes of model, gradients and optimizer alone, which are what the paper's formulas count. */
    static long modelStates(MemoryPlan plan) {
        return plan.weights() + plan.gradients() + plan.optimizerState() + plan.masters();
    }

    /** The first stage keeps as many micro-batches as there are stages; a layer that runs again does so for one. */
    private static long activations(TrainingShape shape, Layout layout, MemoryPlan alone) {
        int stages = layout.pipelineParallel();
        int layers = (shape.layerCount() + stages - 1) / stages;
        long underWay = Math.min(layout.pipelineParallel(), layout.accumulation());
        long layer = alone.activations() / shape.layerCount();
        long input = shape.itemSize() * shape.hidden() * layout.microBatch() * shape.sequenceLength();
        return layout.checkpointing()
                ? Math.min(underWay * layers * input + layer, underWay * layers * layer)
                : underWay * layers * layer;
    }

    /** Layers in equal numbers, the embedding before the first and the output layer after the last. */
    private static TrainingShape.Part largestStage(TrainingShape shape, int stages) {
        if (stages == 1) {
            return shape.all();
        }
        int layers = (shape.layerCount() + stages - 1) / stages;
        TrainingShape.Part inner = shape.layers().stream()
                .sorted(Comparator.comparingLong(TrainingShape.Part::weights).reversed())
                .limit(layers)
                .reduce(TrainingShape.Part::plus)
                .orElseThrow();
        TrainingShape.Part first = inner.plus(shape.embedding());
        TrainingShape.Part last = inner.plus(shape.head());
        return first.weights() > last.weights() ? first : last;
    }

    private static double ratio(long part, long whole) {
        return whole == 0 ? 0 : part / (double) whole;
    }

    private static long scaled(long bytes, double share) {
        return Math.round(bytes * share);
    }
}
