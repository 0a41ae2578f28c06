package org.finetune4j.rlhf.pair;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;

/** Names samples by all that a model is asked about them, so that what it said is not taken for what it says of others. */
public final class SampleHash {

    private SampleHash() {}

    /**
     * A hash over the tokens, labels, positions and columns of all samples in their order.
     *
     * @param samples all are read
     * @return hexadecimal digits
     */
    public static String of(TrainingDataset samples) {
        Hasher hasher = Hashing.sha256().newHasher();
        for (int i = 0; i < samples.size(); i++) {
            Sample sample = samples.get(i);
            put(hasher, sample.inputIds());
            put(hasher, sample.labels());
            put(hasher, sample.positionIds() == null ? new int[0] : sample.positionIds());
            new TreeMap<>(sample.columns()).forEach((name, values) -> {
                hasher.putString(name, StandardCharsets.UTF_8).putInt(values.length);
                for (float value : values) {
                    hasher.putFloat(value);
                }
            });
        }
        return hasher.hash().toString();
    }

    private static void put(Hasher hasher, int[] values) {
        hasher.putInt(values.length);
        for (int value : values) {
            hasher.putInt(value);
        }
    }
}
