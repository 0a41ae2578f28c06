package org.finetune4j.peft.continual;

import java.util.List;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;

/** The samples of a new task, and behind them those of earlier tasks, repeated until they are a share of all. */
final class ReplayedSamples implements TrainingDataset {

    private final TrainingDataset own;
    private final List<Sample> kept;
    private final int replayed;

    /**
     * @param share of kept samples among all, above 0 and below 1
     */
    ReplayedSamples(TrainingDataset own, List<Sample> kept, double share) {
        this.own = own;
        this.kept = List.copyOf(kept);
        this.replayed = kept.isEmpty() ? 0 : Math.max(1, Math.toIntExact(Math.round(own.size() * share / (1 - share))));
    }

    @Override
    public int size() {
        return own.size() + replayed;
    }

    @Override
    public Sample get(int index) {
        return index < own.size() ? own.get(index) : kept.get((index - own.size()) % kept.size());
    }

    @Override
    public String location(int index) {
        return index < own.size() ? own.location(index) : ReplayBuffer.NAME;
    }
}
