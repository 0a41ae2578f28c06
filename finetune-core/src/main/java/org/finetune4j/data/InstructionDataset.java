package org.finetune4j.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.IntFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.model.Tokenizer;

/**
 * Instructions, prompts or conversations with their answers, before tokenisation. From a file, records stay on disk and are
 * read when they are asked for. Thread-safe.
 */
public final class InstructionDataset {

    private final ExampleDataset examples;
    private final List<String> notes;

    private InstructionDataset(ExampleDataset examples, List<String> notes) {
        this.examples = examples;
        this.notes = List.copyOf(notes);
    }

    /** Records that are made when they are asked for. */
    private record MadeRecords(int size, IntFunction<InstructionRecord> record, IntFunction<String> places)
            implements ExampleDataset {

        @Override
        public Example get(int index) {
            return new Instruction(record.apply(Objects.checkIndex(index, size)));
        }

        @Override
        public String location(int index) {
            return places.apply(index);
        }

        @Override
        public String task(int index) {
            return "";
        }

        @Override
        public Set<Class<? extends Example>> kinds() {
            return Set.of(Instruction.class);
        }
    }

    /**
     * Opens a dataset in any format and container that training reads: Alpaca's records, prompts and completions, messages,
     * ShareGPT's conversations, pairs of question and answer; JSON, JSON Lines, CSV, TSV, Parquet, packed or not. The first
     * record decides the format, every record is checked now. {@link #notes()} tells what was understood.
     *
     * @param path a file, a directory, or a pattern
     * @return the dataset
     * @throws UserErrorException when there is no such file, it has no records, no format fits, or a record is malformed:
     *     with file, line and reason
     */
    public static InstructionDataset load(Path path) {
        LoadedExamples examples =
                LoadedExamples.open(DatasetSpec.of(path.toString()).build());
        List<String> notes = new ArrayList<>();
        notes.add(path + ": " + examples.size() + " records, format " + examples.format());
        examples.warnings().forEach(warning -> notes.add("warning: " + warning));
        return new InstructionDataset(examples, notes);
    }

    /**
     * Opens a JSON Lines file; the same as {@link #load}, which tells formats apart by their content.
     *
     * @param file the file
     * @return the dataset
     */
    public static InstructionDataset jsonl(Path file) {
        return load(file);
    }

    /**
     * Opens a JSON array; the same as {@link #load}, which tells formats apart by their content.
     *
     * @param file the file
     * @return the dataset
     */
    public static InstructionDataset json(Path file) {
        return load(file);
    }

    /**
     * Records that are already in memory.
     *
     * @param records at least one
     * @return the dataset
     * @throws UserErrorException when there are none
     */
    public static InstructionDataset of(List<InstructionRecord> records) {
        List<Example> examples = records.stream().<Example>map(Instruction::new).toList();
        return new InstructionDataset(new ExampleList("record", examples), List.of());
    }

    /**
     * Records that are made when they are asked for.
     *
     * @param size how many, at least one
     * @param record gives the record at an index, always the same; any thread may ask
     * @param location says where it came from
     * @return the dataset
     * @throws UserErrorException when there are none
     */
    public static InstructionDataset of(int size, IntFunction<InstructionRecord> record, IntFunction<String> location) {
        if (size < 1) {
            throw new UserErrorException("the dataset is empty, expected at least one record");
        }
        return new InstructionDataset(new MadeRecords(size, record, location), List.of());
    }

    /**
     * The records as they were understood.
     *
     * @return examples in the order of the records
     */
    public ExampleDataset examples() {
        return examples;
    }

    /**
     * What was understood of a file, and what a user should know of it.
     *
     * @return one line each; warnings begin with {@code "warning: "}
     */
    public List<String> notes() {
        return notes;
    }

    /**
     * Number of records.
     *
     * @return at least one
     */
    public int size() {
        return examples.size();
    }

    /**
     * The record at {@code index}; of a prompt and its completion, the prompt is the instruction.
     *
     * @param index from 0
     * @return the record
     * @throws UserErrorException when it is a conversation, or something else that is no instruction
     */
    public InstructionRecord record(int index) {
        Example example = examples.get(index);
        if (example instanceof Instruction instruction) {
            return instruction.record();
        }
        if (example instanceof PromptCompletion texts) {
            return new InstructionRecord(texts.prompt(), texts.completion());
        }
        throw new UserErrorException(location(index) + ": the record is no instruction but a "
                + example.getClass().getSimpleName() + "; ask for examples(), or give the dataset to a FineTuner");
    }

    /**
     * Where the record came from, for messages: {@code "alpaca.jsonl:17"}.
     *
     * @param index from 0
     * @return file and line
     */
    public String location(int index) {
        return examples.location(index);
    }

    /**
     * Sets records aside for evaluation, chosen at random but the same for the same seed; both parts keep the order.
     *
     * @param evaluationCount how many to set aside
     * @param seed chooses them
     * @return both parts
     * @throws UserErrorException when that leaves either part empty
     */
    public DatasetSplit<InstructionDataset> split(int evaluationCount, long seed) {
        return SplitIndices.of(size(), evaluationCount, seed).apply(this::subset);
    }

    /**
     * Sets a fraction aside, rounded up to whole records; see {@link #split(int, long)}.
     *
     * @param evaluationFraction between 0 and 1
     * @param seed chooses the records
     * @return both parts
     * @throws UserErrorException when that leaves either part empty
     */
    public DatasetSplit<InstructionDataset> split(double evaluationFraction, long seed) {
        return split(SplitIndices.count(size(), evaluationFraction), seed);
    }

    /**
     * The first records.
     *
     * @param count how many at most, at least one
     * @return these, all of them when there are no more than {@code count}
     */
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
     * more now, to know which are left out. Conversations need the chat template of a model: give the dataset to a
     * {@code FineTuner}.
     *
     * @param tokenizer must stay open
     * @param options how records become samples
     * @return the samples
     * @throws UserErrorException when the tokenizer has no end-of-sequence token, or no sample is left
     */
    public InstructionSamples tokenize(Tokenizer tokenizer, TokenizationOptions options) {
        return InstructionSamples.of(this, tokenizer, options);
    }

    private InstructionDataset subset(int[] indices) {
        return new InstructionDataset(examples.select(indices), notes);
    }
}
