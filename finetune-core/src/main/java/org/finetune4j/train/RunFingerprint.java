package org.finetune4j.train;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;
import java.util.zip.CRC32;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.LengthGrouped;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.steps.StepSource;

/**
 * What must be the same for a resumed run to go on as the first one would have: the batches that it sees, and the optimizer
 * whose state it takes over. A text, so that people see what differs.
 */
final class RunFingerprint {

    /** Samples that are looked at, spread over all of them: enough to notice other data or another template. */
    private static final int SAMPLES = 32;

    private RunFingerprint() {}

    static String of(StepSource steps, TrainingArguments arguments) {
        return steps.fingerprint() + ", optim "
                + OptimizerProvider.named(arguments.optimizer().name()).names().get(0);
    }

    /** The batches of a dataset. */
    static String of(TrainingDataset dataset, TrainingArguments arguments) {
        String order = arguments.shuffle() ? "seed " + arguments.seed() : "not shuffled";
        return of(dataset) + ", batches of "
                + arguments.perDeviceTrainBatchSize() + " x " + arguments.gradientAccumulationSteps() + ", " + order
                + (dataset instanceof LengthGrouped ? ", grouped by length" : "");
    }

    /** What a model is judged on: the held-out samples, and how much of them is answered where the metric needs that. */
    static String heldOut(TrainingDataset evaluation, ModelSelection selection) {
        boolean answered = ModelSelection.GENERATED.contains(selection.metricForBest());
        String part = selection.generatedSamples() == 0 ? "" : ", the first " + selection.generatedSamples();
        return of(evaluation) + (answered ? part + ", answers of up to " + selection.maxNewTokens() + " tokens" : "");
    }

    private static String of(TrainingDataset dataset) {
        return dataset.size() + " samples (" + contentOf(dataset) + ")";
    }

    private static String contentOf(TrainingDataset dataset) {
        CRC32 sum = new CRC32();
        int looked = Math.min(SAMPLES, dataset.size());
        for (int i = 0; i < looked; i++) {
            try {
                Sample sample = dataset.get((int) ((long) i * dataset.size() / looked));
                add(sum, sample.inputIds());
                add(sum, sample.labels());
                new TreeMap<>(sample.columns()).forEach((name, values) -> {
                    sum.update(name.getBytes(StandardCharsets.UTF_8));
                    for (float value : values) {
                        add(sum, new int[] {Float.floatToIntBits(value)});
                    }
                });
            } catch (UserErrorException e) {
                // The run says so when it comes to this sample.
                sum.update(i);
            }
        }
        return String.format("%08x", sum.getValue());
    }

    private static void add(CRC32 sum, int[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * values.length);
        bytes.asIntBuffer().put(values);
        sum.update(bytes);
    }
}
