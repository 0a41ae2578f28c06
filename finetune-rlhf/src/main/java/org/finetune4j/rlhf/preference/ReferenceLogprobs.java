package org.finetune4j.rlhf.preference;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.rlhf.pair.SampleHash;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.objective.Ranks;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a reference model says about all samples, computed once and kept in a file. The file names the samples by a hash of
 * their tokens, which the template and the lengths decide, and is used again only where the model still says the same of
 * some of them.
 */
final class ReferenceLogprobs {

    private static final Logger LOG = LoggerFactory.getLogger(ReferenceLogprobs.class);
    private static final int TOGETHER = 8;
    private static final int PROBES = 4;

    /** What rounding may change between two runs, a token; another model is further away. */
    private static final double SAME = 1e-4;

    private static final String TENSOR = PreferenceColumns.REFERENCE;
    private static final String SAMPLES = "samples";

    private ReferenceLogprobs() {}

    /** One array a sample, a number a part. All ranks ask the model together; the first one looks for the file, and writes it. */
    static float[][] of(TrainingDataset samples, ReferenceModel model, @Nullable Path file, Ranks ranks) {
        if (file == null) {
            return compute(samples, model, 0, samples.size());
        }
        String hash = SampleHash.of(samples);
        if (ranks.ofFirst(Files.exists(file) ? 1 : 0)[0] > 0) {
            float[][] known = read(file, hash, samples);
            requireSame(known, samples, model, file);
            LOG.info("reference log-probabilities of {} samples are read from {}", samples.size(), file);
            return known;
        }
        float[][] computed = compute(samples, model, 0, samples.size());
        ranks.onFirst(others -> write(file, computed, hash));
        return computed;
    }

    private static float[][] compute(TrainingDataset samples, ReferenceModel model, int from, int to) {
        Collator collator = new Collator(0, 1).withoutPadding();
        float[][] all = new float[to - from][];
        for (int start = from; start < to; start += TOGETHER) {
            List<Sample> batch = new ArrayList<>();
            for (int i = start; i < Math.min(to, start + TOGETHER); i++) {
                batch.add(samples.get(i));
            }
            double[] sums = model.sums(collator.collate(batch));
            int next = 0;
            for (int i = 0; i < batch.size(); i++) {
                float[] counts = batch.get(i).columns().get(PreferenceColumns.ANSWER_TOKENS);
                if (counts == null) {
                    throw new UserErrorException(
                            samples.location(start + i) + ": the sample does not say which answers it has");
                }
                float[] own = new float[counts.length];
                for (int part = 0; part < own.length; part++) {
                    own[part] = (float) sums[next++];
                }
                all[start - from + i] = own;
            }
        }
        return all;
    }

    /** Some samples, spread over all, are asked once more. */
    private static void requireSame(float[][] known, TrainingDataset samples, ReferenceModel model, Path file) {
        int probes = Math.min(PROBES, samples.size());
        for (int i = 0; i < probes; i++) {
            int index = (int) ((long) i * samples.size() / probes);
            float[] now = compute(samples, model, index, index + 1)[0];
            double tolerance = SAME * samples.get(index).length();
            for (int part = 0; part < now.length; part++) {
                if (!(Math.abs(now[part] - known[index][part]) <= tolerance)) {
                    throw refusal(
                            file,
                            "another model: " + samples.location(index) + " has " + known[index][part] + " there and "
                                    + now[part] + " by this one");
                }
            }
        }
    }

    private static UserErrorException refusal(Path file, String whose) {
        return new UserErrorException(file + ": these log-probabilities are of " + whose
                + "; delete the file, or train into another output_dir");
    }

    private static float[][] read(Path file, String hash, TrainingDataset samples) {
        try (SafetensorsFile stored = SafetensorsFile.open(file);
                TensorScope scope = TensorScope.open()) {
            if (!hash.equals(stored.metadata().get(SAMPLES)) || !stored.contains(TENSOR)) {
                throw refusal(file, "other samples (other data, template, lengths or order)");
            }
            long[] shape = stored.tensor(TENSOR).shape();
            float[] flat = stored.tensor(TENSOR).toFloatArray();
            int parts = shape.length == 2 && shape[0] == samples.size() ? Math.toIntExact(shape[1]) : 0;
            if (parts == 0) {
                throw refusal(file, "other samples: their shape is " + Arrays.toString(shape));
            }
            float[][] rows = new float[samples.size()][];
            Arrays.setAll(rows, row -> Arrays.copyOfRange(flat, row * parts, (row + 1) * parts));
            return rows;
        }
    }

    private static void write(Path file, float[][] rows, String hash) {
        try (TensorScope scope = TensorScope.open()) {
            int parts = rows[0].length;
            float[] flat = new float[rows.length * parts];
            for (int row = 0; row < rows.length; row++) {
                System.arraycopy(rows[row], 0, flat, row * parts, parts);
            }
            SafetensorsWriter.write(
                    file,
                    List.of(SafetensorsWriter.Entry.of(TENSOR, Tensors.of(flat, rows.length, parts))),
                    Map.of(SAMPLES, hash));
        }
    }
}
