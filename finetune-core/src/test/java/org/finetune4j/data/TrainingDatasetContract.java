package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;

/** What every {@link TrainingDataset} must hold; a test of an implementation extends it. */
public abstract class TrainingDatasetContract {

    /** A dataset with at least three samples. */
    protected abstract TrainingDataset dataset();

    @Test
    void theSameIndexGivesTheSameSampleInAnyOrder() {
        TrainingDataset dataset = dataset();
        List<Sample> samples = samples(dataset);
        assertTrue(samples.size() >= 3);
        for (int i = dataset.size() - 1; i >= 0; i--) {
            assertEquals(samples.get(i), dataset.get(i));
        }
        assertEquals(samples, samples(dataset()), "another one of the same source is the same");
    }

    @Test
    void everySampleHasALabelledTokenAndLabelsAreItsOwnTokensOrIgnored() {
        for (Sample sample : samples(dataset())) {
            assertTrue(sample.labelledTokens() > 0);
            for (int i = 0; i < sample.length(); i++) {
                int label = sample.labels()[i];
                assertTrue(label == Sample.IGNORE_INDEX || label == sample.inputIds()[i]);
            }
        }
    }

    @Test
    void everySampleSaysWhereItCameFrom() {
        TrainingDataset dataset = dataset();
        for (int i = 0; i < dataset.size(); i++) {
            assertFalse(dataset.location(i).isBlank());
        }
    }

    @Test
    void anIndexOutsideIsRefused() {
        TrainingDataset dataset = dataset();
        assertThrows(IndexOutOfBoundsException.class, () -> dataset.get(-1));
        assertThrows(IndexOutOfBoundsException.class, () -> dataset.get(dataset.size()));
    }

    @Test
    void severalThreadsGetTheSameSamples() {
        TrainingDataset dataset = dataset();
        List<Sample> expected = samples(dataset);
        IntStream.range(0, 200)
                .parallel()
                .forEach(i -> assertEquals(expected.get(i % expected.size()), dataset.get(i % expected.size())));
    }

    @Test
    void aSplitSharesNothingLosesNothingAndKeepsTheOrder() {
        TrainingDataset dataset = dataset();
        DatasetSplit<TrainingDataset> split = dataset.split(1, 7L);
        DatasetSplit<TrainingDataset> again = dataset.split(1, 7L);
        assertEquals(1, split.evaluation().size());
        assertEquals(dataset.size() - 1, split.train().size());
        List<String> locations = new ArrayList<>(locations(split.train()));
        locations.addAll(locations(split.evaluation()));
        assertArrayEquals(
                locations(dataset).stream().sorted().toArray(),
                locations.stream().sorted().toArray());
        assertAll(
                () -> assertEquals(samples(split.train()), samples(again.train())),
                () -> assertEquals(samples(split.evaluation()), samples(again.evaluation())));
        List<String> order = new ArrayList<>(locations(dataset));
        order.removeAll(locations(split.evaluation()));
        assertTrue(locations(split.train()).containsAll(order));
    }

    @Test
    void aSplitThatLeavesAPartEmptyIsRefused() {
        TrainingDataset dataset = dataset();
        assertThrows(UserErrorException.class, () -> dataset.split(0, 1L));
        assertThrows(UserErrorException.class, () -> dataset.split(dataset.size(), 1L));
        assertThrows(UserErrorException.class, () -> dataset.split(0.0, 1L));
        assertThrows(UserErrorException.class, () -> dataset.split(Double.NaN, 1L));
        assertEquals(1, dataset.split(1e-9, 1L).evaluation().size(), "a fraction is rounded up");
    }

    private static List<Sample> samples(TrainingDataset dataset) {
        return IntStream.range(0, dataset.size()).mapToObj(dataset::get).toList();
    }

    private static List<String> locations(TrainingDataset dataset) {
        return Arrays.asList(
                IntStream.range(0, dataset.size()).mapToObj(dataset::location).toArray(String[]::new));
    }
}
