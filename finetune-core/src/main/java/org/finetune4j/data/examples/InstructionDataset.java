package org.finetune4j.data.examples;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.jspecify.annotations.Nullable;

/**
 * Instructions, prompts or conversations with their answers, for code that says what to train on in one expression. From a file,
 * records stay on disk and are read when they are asked for.
 */
public final class InstructionDataset implements ExampleDataset {

    private final ExampleDataset examples;

    private InstructionDataset(ExampleDataset examples) {
        this.examples = examples;
    }

    /**
     * Opens a dataset in any format and container that training reads: Alpaca's records, prompts and completions, messages,
     * ShareGPT's conversations, pairs of question and answer; JSON, JSON Lines, CSV, TSV, Parquet, packed or not. The first
     * record decides the format, every record is checked now. {@link #notes()} tells what was understood; a {@link
     * DatasetSpec} says more.
     *
     * @param path a file, a directory, or a pattern
     * @return the dataset
     * @throws org.finetune4j.UserErrorException when there is no such file, it has no records, no format fits, or a record is
     *     malformed: with file, line and reason
     */
    public static InstructionDataset load(Path path) {
        return new InstructionDataset(
                LoadedExamples.open(DatasetSpec.of(path.toString()).build()));
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
     * Records that are already in memory.
     *
     * @param records at least one
     * @return the dataset
     * @throws org.finetune4j.UserErrorException when there are none
     */
    public static InstructionDataset of(List<Instruction> records) {
        return new InstructionDataset(new ExampleList("record", List.copyOf(records)));
    }

    @Override
    public int size() {
        return examples.size();
    }

    @Override
    public Example get(int index) {
        return examples.get(index);
    }

    @Override
    public String location(int index) {
        return examples.location(index);
    }

    @Override
    public String task(int index) {
        return examples.task(index);
    }

    @Override
    public Map<String, @Nullable Object> fields(int index) {
        return examples.fields(index);
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return examples.kinds();
    }

    @Override
    public List<String> notes() {
        return examples.notes();
    }
}
