package org.finetune4j.train.steps;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** The same batches in one step, or in as many as the arguments ask for. */
final class OneStep implements StepSource {

    final List<StepOutcome> outcomes = new ArrayList<>();
    private final StepBatches batches;

    OneStep(StepBatches batches) {
        this.batches = batches;
    }

    @Override
    public OptionalLong totalSteps() {
        return OptionalLong.of(1);
    }

    @Override
    public double epoch() {
        return outcomes.size();
    }

    @Override
    public double totalEpochs() {
        return 1;
    }

    @Override
    public String fingerprint() {
        return "one step";
    }

    @Override
    public Optional<StepBatches> next() {
        return Optional.of(batches);
    }

    @Override
    public void updated(StepOutcome outcome) {
        outcomes.add(outcome);
    }

    @Override
    public SourceState state() {
        return SourceState.empty();
    }

    @Override
    public void restore(SourceState state) {
        throw new UnsupportedOperationException("it is not resumed");
    }
}
