package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.ToIntBiFunction;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;

class PackedDatasetTest {

    @Test
    void theSnuggestFitIsChosen() {
        // 8 leaves 2, 6 leaves 4; 4 fits the second exactly, 2 the first.
        List<int[]> bins = BestFitDecreasing.pack(new int[] {2, 8, 6, 4}, 10);
        assertEquals(2, bins.size());
        assertArrayEquals(new int[] {0, 1}, bins.get(0));
        assertArrayEquals(new int[] {2, 3}, bins.get(1));
    }

    @Property
    void nothingIsLostAndNoBinOverflows(
            @ForAll @Size(min = 1, max = 200) List<@IntRange(min = 1, max = 50) Integer> sizes) {
        int[] lengths = sizes.stream().mapToInt(Integer::intValue).toArray();
        List<int[]> bins = BestFitDecreasing.pack(lengths, 50);
        int[] packed = bins.stream().flatMapToInt(Arrays::stream).sorted().toArray();
        assertArrayEquals(IntStream.range(0, lengths.length).toArray(), packed);
        for (int[] bin : bins) {
            assertTrue(Arrays.stream(bin).map(i -> lengths[i]).sum() <= 50);
        }
        int fewest = (Arrays.stream(lengths).sum() + 49) / 50;
        assertTrue(bins.size() <= Math.max(fewest + 1, 2 * fewest), "no two bins fit into one");
    }

    @Test
    void positionsRestartAndNoSamplePredictsTheNext() {
        PackedDataset packed = PackedDataset.of(samples(3, 2, 5), 5);
        assertEquals(2, packed.size());
        assertEquals(1.0, packed.fill());
        Sample first = packed.get(0);
        assertArrayEquals(new int[] {10, 11, 12, 20, 21}, first.inputIds());
        assertArrayEquals(new int[] {0, 1, 2, 0, 1}, first.positionIds());
        assertArrayEquals(new int[] {-100, 11, 12, -100, 21}, first.labels());
        assertEquals("sample 0 and 1 more", packed.location(0));
        assertEquals("sample 2", packed.location(1));
    }

    @Test
    void columnsWithANumberForEveryTokenAreJoinedAsTheTokensAre() {
        TrainingDataset samples = withColumn(samples(3, 2), (sample, index) -> sample.length());
        Sample row = PackedDataset.of(samples, 5).get(0);
        assertArrayEquals(new float[] {0, 1, 2, 10, 11}, row.columns().get("reference"));
        assertEquals(row.length(), new Collator(0, 8).collate(List.of(row)).column("reference")[0].length);
    }

    @Test
    void aColumnWithANumberForTheWholeSampleHasNoPlaceInARowOfSeveral() {
        TrainingDataset samples = withColumn(samples(3, 2), (sample, index) -> 1);
        UserErrorException e = assertThrows(
                UserErrorException.class, () -> PackedDataset.of(samples, 5).get(0));
        assertTrue(e.getMessage().contains("'reference' has 1 numbers for 3 tokens"), e.getMessage());
        TrainingDataset some = withColumn(samples(3, 2), (sample, index) -> index == 0 ? 3 : 0);
        assertThrows(UserErrorException.class, () -> PackedDataset.of(some, 5).get(0));
    }

    @Test
    void subsetsAndGroupsOfLikeLengthsKeepColumns() {
        TrainingDataset samples = withColumn(samples(3, 2, 5), (sample, index) -> sample.length());
        assertEquals(samples.get(2), new DatasetSubset(samples, new int[] {2, 0}).get(0));
        assertEquals(samples.get(1), LengthGrouped.of(samples).get(1));
    }

    /** The column "reference" of so many numbers: ten times the sample's index and on; without it where that is 0. */
    private static TrainingDataset withColumn(TrainingDataset samples, ToIntBiFunction<Sample, Integer> count) {
        return new TrainingDataset() {
            @Override
            public int size() {
                return samples.size();
            }

            @Override
            public Sample get(int index) {
                Sample sample = samples.get(index);
                float[] values = new float[count.applyAsInt(sample, index)];
                for (int i = 0; i < values.length; i++) {
                    values[i] = 10 * index + i;
                }
                return values.length == 0 ? sample : sample.with("reference", values);
            }
        };
    }

    @Test
    void packedRowsHaveACommonLengthAndSoHaveTheirParts() {
        TrainingDataset plain = samples(3, 2, 5, 4);
        TrainingDataset packed = PackedDataset.of(plain, 5);
        assertEquals(OptionalInt.empty(), plain.commonLength());
        assertEquals(OptionalInt.of(5), packed.commonLength());
        assertEquals(OptionalInt.of(5), packed.split(1, 42).train().commonLength());
    }

    @Test
    void packingKeepsTheNumberOfLabelledTokens() {
        TrainingDataset samples = samples(3, 2, 5, 4, 4, 1, 2);
        PackedDataset packed = PackedDataset.of(samples, 8);
        Batch batch = new Collator(0, 1)
                .collate(IntStream.range(0, packed.size()).mapToObj(packed::get).toList());
        int expected = IntStream.range(0, samples.size())
                .map(i -> samples.get(i).labelledTokens())
                .sum();
        assertEquals(expected, batch.labelledTokens());
        assertEquals(21, batch.realTokens());
    }

    /** A model knows no more positions than its longest sequence has; padding beside several short ones has none beyond. */
    @Test
    void packedAndPlainSamplesMayShareABatchAndPaddingHasNoPositionThatNoTokenHas() {
        Sample packed = PackedDataset.of(samples(2, 1), 3).get(0);
        Sample plain = new Sample(new int[] {5}, new int[] {5});
        Batch batch = new Collator(0, 4).collate(List.of(packed, plain));
        assertArrayEquals(new int[] {0, 1, 0, 1, 0, 1, 0, 1}, batch.positionIds());
    }

    @Test
    void samplesOfLikeLengthComeTogetherAndEpochsDiffer() {
        int[] lengths = IntStream.range(0, 1000).map(i -> 1 + (i * 37) % 101).toArray();
        BatchSampler grouped = BatchSampler.groupedByLength(lengths, 8, 3);
        assertTrue(padding(grouped, lengths) < padding(BatchSampler.shuffled(1000, 8, 3), lengths) / 5);
        int[] all = IntStream.range(0, grouped.batchesPerEpoch())
                .flatMap(batch -> Arrays.stream(grouped.batch(0, batch)))
                .sorted()
                .toArray();
        assertArrayEquals(IntStream.range(0, 1000).toArray(), all);
        assertArrayEquals(
                grouped.batch(0, 5), BatchSampler.groupedByLength(lengths, 8, 3).batch(0, 5));
        assertTrue(!Arrays.equals(grouped.batch(0, 5), grouped.batch(1, 5)));
        LengthGrouped dataset = LengthGrouped.of(samples(3, 1, 2));
        assertArrayEquals(new int[] {3, 1, 2}, dataset.lengths());
        assertArrayEquals(
                BatchSampler.groupedByLength(dataset.lengths(), 2, 1).batch(0, 0),
                BatchSampler.training(dataset, 2, 1, true).batch(0, 0));
    }

    private static int padding(BatchSampler sampler, int[] lengths) {
        int padding = 0;
        for (int batch = 0; batch < sampler.batchesPerEpoch(); batch++) {
            int[] indices = sampler.batch(0, batch);
            int longest = Arrays.stream(indices).map(i -> lengths[i]).max().orElseThrow();
            padding += Arrays.stream(indices).map(i -> longest - lengths[i]).sum();
        }
        return padding;
    }

    /** Samples of these lengths; tokens of the first are 10, 11, ..., of the second 20, 21, ... */
    private static TrainingDataset samples(int... lengths) {
        return new TrainingDataset() {
            @Override
            public int size() {
                return lengths.length;
            }

            @Override
            public Sample get(int index) {
                int[] ids = IntStream.range(0, lengths[index])
                        .map(i -> 10 * (index + 1) + i)
                        .toArray();
                return new Sample(ids, ids.clone());
            }
        };
    }
}
