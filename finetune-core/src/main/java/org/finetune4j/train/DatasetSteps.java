package org.finetune4j.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.BatchIterator;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.Collator;
import org.finetune4j.data.DataLoader;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.steps.SourceState;
import org.finetune4j.train.steps.StepBatches;
import org.finetune4j.train.steps.StepOutcome;
import org.finetune4j.train.steps.StepSource;
import org.jspecify.annotations.Nullable;

/** Steps over a dataset: epochs in seeded orders, so many batches a step; the last step of an epoch may have fewer. */
public final class DatasetSteps implements StepSource {

    private static final String EPOCH = "epoch";
    private static final String NEXT_BATCH = "next_batch";

    private final TrainingDataset dataset;
    private final Objective objective;
    private final TrainingArguments arguments;
    private final DataLoader loader;
    private final StepPlan plan;
    private @Nullable BatchIterator batches;
    private int epoch;
    private int batch;

    /**
     * Steps from the first epoch on.
     *
     * @param dataset what is read
     * @param objective of every batch
     * @param collator makes batches of samples
     * @param arguments batch sizes, epochs, order and seed
     */
    public DatasetSteps(TrainingDataset dataset, Objective objective, Collator collator, TrainingArguments arguments) {
        this.dataset = dataset;
        this.objective = objective;
        this.arguments = arguments;
        this.loader = new DataLoader(
                dataset,
                BatchSampler.training(
                        dataset, arguments.perDeviceTrainBatchSize(), arguments.seed(), arguments.shuffle()),
                collator,
                arguments.dataloaderNumWorkers(),
                arguments.dataloaderPrefetchFactor());
        this.plan = StepPlan.of(arguments, loader.batchesPerEpoch());
    }

    @Override
    public OptionalLong totalSteps() {
        return OptionalLong.of(plan.totalSteps());
    }

    @Override
    public double epoch() {
        return epoch + (double) batch / plan.batchesPerEpoch();
    }

    @Override
    public double totalEpochs() {
        return plan.totalEpochs();
    }

    @Override
    public String fingerprint() {
        return RunFingerprint.of(dataset, arguments);
    }

    @Override
    public OptionalInt commonLength() {
        return dataset.commonLength();
    }

    @Override
    public Optional<StepBatches> next() {
        BatchIterator iterator = iterator();
        List<Batch> read = new ArrayList<>();
        while (read.size() < plan.batchesOfStep(batch)) {
            read.add(iterator.next());
        }
        return Optional.of(StepBatches.of(read, objective));
    }

    /** At the next batch, which a step that was not done has read already. */
    private BatchIterator iterator() {
        BatchIterator iterator = batches;
        if (iterator == null || iterator.nextBatch() != batch) {
            close();
            iterator = loader.epoch(epoch, batch);
            batches = iterator;
        }
        return iterator;
    }

    @Override
    public void updated(StepOutcome outcome) {
        batch += plan.batchesOfStep(batch);
        if (batch >= plan.batchesPerEpoch()) {
            close();
            epoch++;
            batch = 0;
        }
    }

    @Override
    public SourceState state() {
        return SourceState.empty().with(EPOCH, epoch).with(NEXT_BATCH, batch);
    }

    @Override
    public void restore(SourceState state) {
        int savedEpoch = (int) state.natural(EPOCH, Integer.MAX_VALUE);
        int savedBatch = (int) state.natural(NEXT_BATCH, Integer.MAX_VALUE);
        if (savedBatch >= plan.batchesPerEpoch()) {
            throw new UserErrorException("'" + NEXT_BATCH + "' is " + savedBatch + ", but an epoch has "
                    + plan.batchesPerEpoch() + " batches");
        }
        close();
        epoch = savedEpoch;
        batch = savedBatch;
    }

    @Override
    public void close() {
        if (batches != null) {
            batches.close();
            batches = null;
        }
    }
}
