package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class BatchSamplerTest {

    @Property(tries = 200)
    void anEpochHoldsEverySampleOnce(
            @ForAll @IntRange(min = 1, max = 300) int size,
            @ForAll @IntRange(min = 1, max = 40) int batchSize,
            @ForAll long seed,
            @ForAll @IntRange(max = 1000) int epoch) {
        BatchSampler sampler = BatchSampler.shuffled(size, batchSize, seed);
        int[] all = epoch(sampler, epoch);
        Arrays.sort(all);
        assertArrayEquals(IntStream.range(0, size).toArray(), all);
    }

    @Property(tries = 200)
    void aBatchDependsOnlyOnSeedEpochAndNumber(
            @ForAll @IntRange(min = 1, max = 300) int size,
            @ForAll @IntRange(min = 1, max = 40) int batchSize,
            @ForAll long seed,
            @ForAll @IntRange(max = 5) int epoch) {
        BatchSampler continued = BatchSampler.shuffled(size, batchSize, seed);
        epoch(continued, 0);
        int last = continued.batchesPerEpoch() - 1;
        BatchSampler resumed = BatchSampler.shuffled(size, batchSize, seed);
        assertArrayEquals(continued.batch(epoch, last), resumed.batch(epoch, last));
    }

    @Property(tries = 200)
    void allBatchesAreFullButTheLastWhichMayBeDropped(
            @ForAll @IntRange(min = 1, max = 300) int size, @ForAll @IntRange(min = 1, max = 40) int batchSize) {
        BatchSampler sampler = BatchSampler.shuffled(size, batchSize, 1);
        for (int batch = 0; batch < sampler.batchesPerEpoch() - 1; batch++) {
            assertEquals(batchSize, sampler.batch(0, batch).length);
        }
        BatchSampler dropping = sampler.dropLast();
        assertEquals(size / batchSize, dropping.batchesPerEpoch());
        int[] all = epoch(sampler, 0);
        assertArrayEquals(Arrays.copyOf(all, dropping.batchesPerEpoch() * batchSize), epoch(dropping, 0));
    }

    @Example
    void epochsAndSeedsDiffer() {
        BatchSampler sampler = BatchSampler.shuffled(100, 10, 42);
        assertFalse(Arrays.equals(epoch(sampler, 0), epoch(sampler, 1)));
        assertFalse(Arrays.equals(epoch(sampler, 0), epoch(BatchSampler.shuffled(100, 10, 43), 0)));
    }

    @Example
    void theOrderIsTheSameInEveryVersion() {
        // Written down once: a change would break the resuming of runs that others have started.
        assertArrayEquals(new int[] {9, 5, 3, 8, 0, 2, 6, 4, 7, 1}, epoch(BatchSampler.shuffled(10, 4, 42), 0));
        assertArrayEquals(new int[] {3, 4, 6, 1, 8, 2, 9, 7, 5, 0}, epoch(BatchSampler.shuffled(10, 4, 42), 1));
    }

    @Example
    void everyPermutationIsEquallyLikely() {
        int[] counts = new int[6];
        for (int seed = 0; seed < 6000; seed++) {
            int[] order = SeededShuffle.permutation(3, seed, 0);
            counts[order[0] * 2 + (order[1] > order[2] ? 1 : 0)]++;
        }
        // Standard deviation of each count is 29.
        assertTrue(Arrays.stream(counts).allMatch(count -> Math.abs(count - 1000) < 150), Arrays.toString(counts));
    }

    @Example
    void evaluationKeepsTheOrderOfTheDataset() {
        assertArrayEquals(IntStream.range(0, 7).toArray(), epoch(BatchSampler.sequential(7, 3), 5));
    }

    @Example
    void aPlaceOutsideTheEpochIsRefused() {
        BatchSampler sampler = BatchSampler.sequential(7, 3);
        assertThrows(IndexOutOfBoundsException.class, () -> sampler.batch(0, 3));
        assertThrows(IndexOutOfBoundsException.class, () -> sampler.batch(0, -1));
        assertThrows(IndexOutOfBoundsException.class, () -> sampler.batch(-1, 0));
        assertThrows(IllegalArgumentException.class, () -> BatchSampler.sequential(0, 3));
        assertThrows(IllegalArgumentException.class, () -> BatchSampler.sequential(3, 0));
    }

    private static int[] epoch(BatchSampler sampler, int epoch) {
        return IntStream.range(0, sampler.batchesPerEpoch())
                .flatMap(batch -> Arrays.stream(sampler.batch(epoch, batch)))
                .toArray();
    }
}
