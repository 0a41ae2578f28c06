package org.finetune4j.data;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Tokenizer;

/**
 * Instructions with their answers, before tokenisation. From a file, records stay on disk and are read when they are
 * asked for. Thread-safe.
 */
public final class InstructionDataset {

    /** Where records come from. */
    private interface Source {
        int size();

        InstructionRecord get(int index);

        String location(int index);
    }

    private record FileSource(RecordFile file) implements Source {
        @Override
        public int size() {
            return file.size();
        }

        @Override
        public InstructionRecord get(int index) {
            return InstructionRecord.of(file.get(index));
        }

        @Override
        public String location(int index) {
            return file.location(index);
        }
    }

    private record ListSource(List<InstructionRecord> records) implements Source {
        @Override
        public int size() {
            return records.size();
        }

        @Override
        public InstructionRecord get(int index) {
            return records.get(index);
        }

        @Override
        public String location(int index) {
            return "record " + index;
        }
    }

    private record FunctionSource(int size, IntFunction<InstructionRecord> record, IntFunction<String> places)
            implements Source {
        @Override
        public InstructionRecord get(int index) {
            return record.apply(index);
        }

        @Override
        public String location(int index) {
            return places.apply(index);
        }
    }

    private record SubsetSource(Source source, int[] indices) implements Source {
        @Override
        public int size() {
            return indices.length;
        }

        @Override
        public InstructionRecord get(int index) {
            return source.get(indices[index]);
        }

        @Override
        public String location(int index) {
            return source.location(indices[index]);
        }
    }

    private final Source source;

    private InstructionDataset(Source source) {
        this.source = source;
    }

    /**
     * Opens a file of Alpaca records ({@code instruction}, optional {@code input}, {@code output}): a JSON array, or
     * JSON Lines. Every record is checked now.
     *
     * @throws UserErrorException when there is no such file, it has no records, or one is malformed: with file, line
     *     and reason
     */
    public static InstructionDataset load(Path file) {
        return new InstructionDataset(new FileSource(RecordFile.open(file, InstructionRecord::of)));
    }

    /** Opens a JSON Lines file; the same as {@link #load}, which tells the two formats apart by their content. */
    public static InstructionDataset jsonl(Path file) {
        return load(file);
    }

    /** Opens a JSON array; the same as {@link #load}, which tells the two formats apart by their content. */
    public static InstructionDataset json(Path file) {
        return load(file);
    }

    /**
     * Records that are already in memory.
     *
     * @throws UserErrorException when there are none
     */
    public static InstructionDataset of(List<InstructionRecord> records) {
        if (records.isEmpty()) {
            throw new UserErrorException("the dataset is empty, expected at least one record");
        }
        return new InstructionDataset(new ListSource(List.copyOf(records)));
    }

    /**
     * Records that are made when they are asked for.
     *
     * @param size how many, at least one
     * @param record gives the record at an index, always the same; any thread may ask
     * @param location says where it came from
     */
    public static InstructionDataset of(int size, IntFunction<InstructionRecord> record, IntFunction<String> location) {
        if (size < 1) {
            throw new UserErrorException("the dataset is empty, expected at least one record");
        }
        return new InstructionDataset(new FunctionSource(size, record, location));
    }

    /** Number of records, at least one. */
    public int size() {
        return source.size();
    }

    /** The record at {@code index}. */
    public InstructionRecord record(int index) {
        return source.get(index);
    }

    /** Where the record came from, for messages: {@code "alpaca.jsonl:17"}. */
    public String location(int index) {
        return source.location(index);
    }

    /**
     * Sets records aside for evaluation, chosen at random but the same for the same seed; both parts keep the order.
     *
     * @throws UserErrorException when that leaves either part empty
     */
    public DatasetSplit<InstructionDataset> split(int evaluationCount, long seed) {
        return SplitIndices.of(size(), evaluationCount, seed).apply(this::subset);
    }

    /** Sets a fraction between 0 and 1 aside, rounded up to whole records; see {@link #split(int, long)}. */
    public DatasetSplit<InstructionDataset> split(double evaluationFraction, long seed) {
        return split(SplitIndices.count(size(), evaluationFraction), seed);
    }

    /** The first records, all of them when there are no more than {@code count}. */
    public InstructionDataset first(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("count must be positive, got " + count);
        }
        int[] indices = new int[Math.min(count, size())];
        Arrays.setAll(indices, i -> i);
        return subset(indices);
    }

    /**
     * The samples of these records. They are tokenised when they are asked for; with {@link TruncationPolicy#DROP} once
     * more now, to know which are left out.
     *
     * @throws UserErrorException when the tokenizer has no end-of-sequence token, or no sample is left
     */
    public InstructionSamples tokenize(Tokenizer tokenizer, TokenizationOptions options) {
        return InstructionSamples.of(this, tokenizer, options);
    }

    private InstructionDataset subset(int[] indices) {
        return new InstructionDataset(new SubsetSource(source, indices));
    }
}
