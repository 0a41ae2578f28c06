package org.finetune4j.data;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;

/**
 * Samples packed into rows of one length, so that hardly anything is padding. Positions restart at each sample: attention
 * stays within it, and losses and gradients are those of the samples alone. No sample is cut.
 */
public final class PackedDataset implements TrainingDataset {

    private final TrainingDataset source;
    private final List<int[]> rows;
    private final int capacity;
    private final double fill;

    private PackedDataset(TrainingDataset source, List<int[]> rows, int capacity, double fill) {
        this.source = source;
        this.rows = rows;
        this.capacity = capacity;
        this.fill = fill;
    }

    /**
     * Packs a dataset; each of its samples is made once now, to know its length.
     *
     * @param source the samples to pack
     * @param capacity tokens of a row; no sample may be longer
     * @return one sample for each row
     * @throws org.finetune4j.UserErrorException when a sample is wrong
     */
    public static PackedDataset of(TrainingDataset source, int capacity) {
        int[] lengths = SampleLengths.of(source);
        List<int[]> rows = BestFitDecreasing.pack(lengths, capacity);
        double room = (double) rows.size() * capacity;
        return new PackedDataset(
                source, rows, capacity, Arrays.stream(lengths).asLongStream().sum() / room);
    }

    /** Number of rows. */
    @Override
    public int size() {
        return rows.size();
    }

    @Override
    public Sample get(int index) {
        List<Sample> samples =
                Arrays.stream(rows.get(index)).mapToObj(source::get).toList();
        int length = samples.stream().mapToInt(Sample::length).sum();
        int[] inputIds = new int[length];
        int[] labels = new int[length];
        int[] positionIds = new int[length];
        int start = 0;
        for (Sample sample : samples) {
            System.arraycopy(sample.inputIds(), 0, inputIds, start, sample.length());
            System.arraycopy(sample.labels(), 0, labels, start, sample.length());
            // Nothing before a sample's first token may predict it.
            labels[start] = Sample.IGNORE_INDEX;
            for (int i = 0; i < sample.length(); i++) {
                positionIds[start + i] = i;
            }
            start += sample.length();
        }
        return new Sample(inputIds, labels, positionIds, columns(index, samples, length));
    }

    /** Columns with a number for every token stay so; whose number another one is, nobody could tell in a row of several. */
    private Map<String, float[]> columns(int index, List<Sample> samples, int length) {
        Map<String, float[]> columns = new HashMap<>();
        Set<String> names = samples.get(0).columns().keySet();
        for (String name : names) {
            columns.put(name, new float[length]);
        }
        int start = 0;
        for (Sample sample : samples) {
            if (!sample.columns().keySet().equals(names)) {
                throw new UserErrorException(location(index) + ": samples of one row have the columns "
                        + new TreeSet<>(names) + " and "
                        + new TreeSet<>(sample.columns().keySet())
                        + ": every sample needs the same");
            }
            for (String name : names) {
                float[] own = Objects.requireNonNull(sample.columns().get(name));
                if (own.length != sample.length()) {
                    throw new UserErrorException(location(index) + ": column '" + name + "' has " + own.length
                            + " numbers for " + sample.length()
                            + " tokens: only samples whose columns have one for every"
                            + " token can be packed into one row with others");
                }
                System.arraycopy(own, 0, Objects.requireNonNull(columns.get(name)), start, own.length);
            }
            start += sample.length();
        }
        return columns;
    }

    @Override
    public OptionalInt commonLength() {
        return OptionalInt.of(capacity);
    }

    @Override
    public String location(int index) {
        int[] row = rows.get(index);
        String first = source.location(row[0]);
        return row.length == 1 ? first : first + " and " + (row.length - 1) + " more";
    }

    /** {@return the number of samples before packing} */
    public int samples() {
        return source.size();
    }

    /**
     * Share of the rows that is tokens, not padding: 1 is a perfect fit.
     *
     * @return above 0, at most 1
     */
    public double fill() {
        return fill;
    }
}
