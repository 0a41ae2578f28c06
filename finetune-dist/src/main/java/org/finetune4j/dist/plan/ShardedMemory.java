package org.finetune4j.dist.plan;

import java.util.Comparator;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StreamMemory;

/** Core's plan of one device, divided as a {@link Layout} divides what it holds. With one device it is that plan. */
final class ShardedMemory {

    /** How many times {@link MemoryPlan#head} has the hidden states of a batch. */
    private static final int STATES_OF_THE_HEAD = 6;

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
        double trainedShare = trainedShare(shape, layout);
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
        long held = heldWeights(shape, layout);
        OffloadOptions offload = shape.offload();
        long states = scaled(alone.optimizerState(), stateShare);
        long resident = offload.optimizer() == null
                ? scaled(alone.optimizerResident(), stateShare)
                : Math.min(states, offload.residentBytes());
        return alone.toBuilder()
                .weights(held + gathered)
                .gradients(gradients)
                .accumulated(layout.accumulation() > 1 ? gradients : 0)
                .optimizerState(states)
                .optimizerResident(resident)
                .masters(scaled(alone.masters(), stateShare))
                .average(scaled(alone.average(), stateShare))
                .activations(activations(shape, layout, alone))
                .backward(gradients + unreduced + beside)
                .head(head(shape, layout, alone))
                .offloaded(offloaded(shape, layout, held, scaled(alone.masters(), stateShare), resident))
                .build();
    }

    /** What is in files of weights and masters; the weights of the segment that runs are in memory in any case. */
    private static long offloaded(TrainingShape shape, Layout layout, long held, long masters, long residentStates) {
        OffloadOptions offload = shape.offload();
        long bytes = 0;
        if (offload.optimizer() != null) {
            bytes += masters - Math.min(masters, Math.max(0, offload.residentBytes() - residentStates));
        }
        if (offload.parameters() != null) {
            double ofSegment = layout.share(Layout.LAST_STAGE) / layout.tensorParallel();
            long segment = scaled(shape.largestSegment().weights(), ofSegment);
            bytes += Math.max(0, held - Math.max(segment, offload.residentBytes()));
        }
        return bytes;
    }

    /**
     * {@return bytes of a device's files: the optimizer's states and masters, and the weights, where they are offloaded}
     *
     * @param shape of the training
     * @param layout how it is spread
     */
    static long inFiles(TrainingShape shape, Layout layout) {
        OffloadOptions offload = shape.offload();
        MemoryPlan plan = of(shape, layout);
        return (offload.optimizer() == null ? 0 : plan.optimizerState() + plan.masters())
                + (offload.parameters() == null ? 0 : heldWeights(shape, layout));
    }

    /** What a device has of the weights between the steps. */
    private static long heldWeights(TrainingShape shape, Layout layout) {
        double ofStage = ratio(
                largestStage(shape, layout.pipelineParallel()).weights(),
                shape.all().weights());
        double ofExperts = ratio(shape.experts().weights(), shape.all().weights());
        return scaled(
                shape.alone(layout.microBatch()).weights(),
                ofStage / layout.tensorParallel() * share(layout, Layout.LAST_STAGE, ofExperts));
    }

    private static double trainedShare(TrainingShape shape, Layout layout) {
        return ratio(
                        largestStage(shape, layout.pipelineParallel()).trainedBytes(),
                        shape.all().trainedBytes())
                / layout.tensorParallel();
    }

    /** Scores are divided by words; the hidden states before them every device has of all tokens. */
    private static long head(TrainingShape shape, Layout layout, MemoryPlan alone) {
        long states = Math.min(
                alone.head(),
                STATES_OF_THE_HEAD * shape.itemSize() * shape.hidden() * layout.microBatch() * shape.sequenceLength());
        return states + (alone.head() - states) / layout.tensorParallel();
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

    /**
     * Within the blocks activations are divided by heads and columns. What goes into them, and into the norms between them, every device
     * has of all tokens; norms of some tokens only where the sequence is divided.
     */
    private static long divided(TrainingShape shape, Layout layout, MemoryPlan alone) {
        StreamMemory stream = shape.stream(layout.microBatch());
        long within = Math.max(0, alone.activations() - stream.norms() - stream.inputs());
        return stream.norms() / layout.tokenShares() + stream.inputs() + within / layout.tensorParallel();
    }

    /** The first stage keeps as many micro-batches as there are stages; a layer that runs again does so for one. */
    private static long activations(TrainingShape shape, Layout layout, MemoryPlan alone) {
        int stages = layout.pipelineParallel();
        int layers = (shape.layerCount() + stages - 1) / stages;
        long underWay = Math.min(layout.pipelineParallel(), layout.accumulation());
        long layer = divided(shape, layout, alone) / shape.layerCount();
        long input =
                shape.itemSize() * shape.hidden() * layout.microBatch() * shape.sequenceLength() / layout.tokenShares();
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
