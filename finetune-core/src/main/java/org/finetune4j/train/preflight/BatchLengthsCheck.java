package org.finetune4j.train.preflight;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.LengthGrouped;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.memory.MemoryPlan;

/**
 * Batches have about one size. Where they do not, what one step frees does not fit the next, and every step takes its
 * activations anew from the system, page by page: that can cost more time than the calculation.
 */
public final class BatchLengthsCheck implements PreflightCheck {

    /** Less is soon fetched. */
    private static final long NOTICEABLE = 256L << 20;

    @Override
    public void check(PreflightContext context, Findings findings) {
        MemoryPlan plan = context.memory();
        long fetched = plan.activations() + plan.head();
        boolean onProcessor = context.model().device().equals(Device.CPU);
        if (!onProcessor || context.dataset().commonLength().isPresent() || fetched < NOTICEABLE) {
            return;
        }
        long[] tokens = batches(context);
        long small = tokens[tokens.length / 10];
        long large = tokens[tokens.length - 1];
        if (2 * small < large) {
            findings.warning(String.format(
                    Locale.ROOT,
                    "batches are of very different lengths, %,d to %,d tokens with their padding: every step takes fresh memory,"
                            + " up to %,d MB, which costs much time; %s",
                    small,
                    large,
                    fetched >> 20,
                    remedy(context)));
        }
    }

    /** Tokens of the batches that the samples looked at would make, padding included, the smallest first. */
    private static long[] batches(PreflightContext context) {
        TrainingArguments arguments = context.arguments();
        List<Integer> lengths = context.survey().lengths();
        if (context.dataset() instanceof LengthGrouped) {
            lengths = lengths.stream().sorted(Comparator.naturalOrder()).toList();
        }
        boolean shuffled = arguments.shuffle() && !(context.dataset() instanceof LengthGrouped);
        int size = Math.min(arguments.perDeviceTrainBatchSize(), lengths.size());
        BatchSampler sampler = shuffled
                ? BatchSampler.shuffled(lengths.size(), size, arguments.seed())
                : BatchSampler.sequential(lengths.size(), size);
        List<Integer> all = lengths;
        BatchSampler whole = sampler.dropLast();
        return IntStream.range(0, whole.batchesPerEpoch())
                .mapToLong(batch -> (long) size
                        * Arrays.stream(whole.batch(0, batch))
                                .map(all::get)
                                .max()
                                .orElse(0))
                .sorted()
                .toArray();
    }

    /** Rows of the longest sample's length, as many as hold what a batch holds now, with one activation a layer. */
    private static String remedy(PreflightContext context) {
        TrainingArguments arguments = context.arguments();
        SampleSurvey survey = context.survey();
        double mean = (double) survey.tokens() / survey.lengths().size();
        long rows = Math.max(1, Math.round(arguments.perDeviceTrainBatchSize() * mean / survey.longest()));
        boolean checkpointed = arguments.gradientCheckpointingLayers() > 0;
        MemoryPlan packed = MemoryPlan.of(
                context.model(),
                context.strategy(),
                arguments,
                checkpointed ? arguments.checkpointing() : new GradientCheckpointing(1, null),
                arguments.segments(),
                new MemoryPlan.Load((int) rows, survey.longest()),
                context.memory().process());
        return String.format(
                Locale.ROOT,
                "packing: true with gradient_checkpointing: true and per_device_train_batch_size: %d trains as many tokens a"
                        + " step in rows of one length, with %,d MB at the peak in place of %,d",
                rows,
                packed.peak() >> 20,
                context.memory().peak() >> 20);
    }
}
