package org.finetune4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;

/** Random token sequences of different lengths whose second half is labelled. */
public final class SyntheticSamples implements TrainingDataset {

    private final List<Sample> samples = new ArrayList<>();

    public SyntheticSamples(int count, int vocabulary, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < count; i++) {
            int length = random.nextInt(6, 16);
            int[] ids = random.ints(length, 3, vocabulary).toArray();
            int[] labels = ids.clone();
            Arrays.fill(labels, 0, length / 2, Sample.IGNORE_INDEX);
            samples.add(new Sample(ids, labels));
        }
    }

    @Override
    public int size() {
        return samples.size();
    }

    @Override
    public Sample get(int index) {
        return samples.get(index);
    }
}
