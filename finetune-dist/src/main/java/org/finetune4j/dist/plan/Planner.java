package org.finetune4j.dist.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.finetune4j.train.memory.MemoryPlan;
import org.jspecify.annotations.Nullable;

/**
 * Looks at every layout that divides a training evenly, and puts them in order: those that fit by the time of a step, and where
 * that is the same by simplicity. Layouts are those that a training here can have: a pipeline shares optimizer states at most.
 */
public final class Planner {

    /** A device needs room for what no formula counts: fragments, libraries' own buffers. */
    private static final double USABLE = 0.95;

    private final TrainingShape shape;
    private final int samples;
    private final List<Boolean> dividingSequence;

    /**
     * A planner for a training, which may divide the tokens between the blocks.
     *
     * @param shape of the training
     * @param samples of an update, over all devices; where there are more devices than that, as many as devices
     */
    public Planner(TrainingShape shape, int samples) {
        this(shape, samples, null);
    }

    /**
     * A planner for a training.
     *
     * @param shape of the training
     * @param samples of an update, over all devices; where there are more devices than that, as many as devices
     * @param sequenceParallel whether devices that split matrices have some of the tokens each between the blocks; null to look at
     *     both
     */
    public Planner(TrainingShape shape, int samples, @Nullable Boolean sequenceParallel) {
        this.shape = shape;
        this.samples = samples;
        this.dividingSequence = sequenceParallel != null
                ? List.of(sequenceParallel)
                : shape.dividesSequence() ? List.of(false, true) : List.of(false);
    }

    /**
     * {@return everything that could be done with the devices, whether it fits or not}
     *
     * @param cluster the devices
     */
    public List<Proposal> candidates(Cluster cluster) {
        List<Proposal> all = new ArrayList<>();
        for (int tensor = 1; tensor <= cluster.devicesPerHost(); tensor *= 2) {
            if (cluster.devices() % tensor != 0 || !shape.divides(tensor)) {
                continue;
            }
            int rest = cluster.devices() / tensor;
            for (int pipeline = 1; pipeline <= shape.layerCount(); pipeline++) {
                if (rest % pipeline == 0 && shape.layerCount() % pipeline == 0) {
                    int data = rest / pipeline;
                    for (int expert = 1; expert <= data; expert *= 2) {
                        if (data % expert == 0 && shape.dividesExperts(expert)) {
                            addBatches(all, data, tensor, pipeline, expert, cluster);
                        }
                    }
                }
            }
        }
        return all;
    }

    private void addBatches(List<Proposal> all, int data, int tensor, int pipeline, int expert, Cluster cluster) {
        int ofCopy = Math.max(1, samples / data);
        for (int batch = 1; batch <= ofCopy; batch *= 2) {
            int lastStage = data == 1 ? 0 : pipeline > 1 ? 1 : Layout.LAST_STAGE;
            for (int stage = 0; stage <= lastStage; stage++) {
                for (boolean again : new boolean[] {false, true}) {
                    for (boolean divides : tensor == 1 ? List.of(false) : dividingSequence) {
                        Layout layout = new Layout(
                                data, tensor, pipeline, expert, stage, batch, ofCopy / batch, again, divides);
                        all.add(Proposal.of(shape, layout, cluster));
                    }
                }
            }
        }
    }

    /**
     * {@return layouts that fit, the best first}
     *
     * @param cluster the devices
     */
    public List<Proposal> fitting(Cluster cluster) {
        long room = (long) (USABLE * cluster.memory());
        return candidates(cluster).stream()
                .filter(proposal -> proposal.fits(room))
                .sorted(order())
                .toList();
    }

    /**
     * {@return the best layout that fits, if one does}
     *
     * @param cluster the devices
     */
    public Optional<Proposal> best(Cluster cluster) {
        return fitting(cluster).stream().findFirst();
    }

    /**
     * {@return the layout that needs the least memory}
     *
     * @param cluster the devices
     */
    public Proposal smallest(Cluster cluster) {
        return candidates(cluster).stream()
                .min(Comparator.comparingLong(
                                (Proposal proposal) -> proposal.memory().peak())
                        .thenComparing(order()))
                .orElseThrow();
    }

    private static Comparator<Proposal> order() {
        return Comparator.comparingDouble((Proposal proposal) ->
                        proposal.step().seconds() / proposal.layout().samples())
                .thenComparingInt(proposal -> proposal.layout().zeroStage())
                .thenComparingInt(proposal -> proposal.layout().pipelineParallel())
                .thenComparingInt(proposal -> proposal.layout().tensorParallel())
                .thenComparingInt(proposal -> proposal.layout().expertParallel())
                .thenComparing(proposal -> proposal.layout().checkpointing())
                .thenComparing(proposal -> proposal.layout().sequenceParallel())
                // Larger products are never slower.
                .thenComparingInt(proposal -> -proposal.layout().microBatch());
    }

    /**
     * What ZeRO's stages share among copies of a model that is not split otherwise.
     *
     * @param stage 0 to 3
     * @param bytes of parameters, gradients and optimizer states of one device
     * @param saved share of what one device alone would hold
     */
    public record StageMemory(int stage, long bytes, double saved) {}

    /**
     * {@return the four stages, without what a segment gathers for a moment}
     *
     * @param devices how many copies share
     */
    public List<StageMemory> stages(int devices) {
        MemoryPlan alone = shape.alone(1);
        long whole = ShardedMemory.modelStates(alone);
        List<StageMemory> stages = new ArrayList<>();
        for (int stage = 0; stage <= Layout.LAST_STAGE; stage++) {
            Layout layout = new Layout(devices, 1, 1, 1, stage, 1, 1, false, false);
            double bytes = alone.weights() * layout.share(Layout.LAST_STAGE)
                    + alone.gradients() * layout.share(2)
                    + (alone.optimizerState() + alone.masters()) * layout.share(1);
            stages.add(new StageMemory(stage, Math.round(bytes), 1 - bytes / whole));
        }
        return stages;
    }
}
