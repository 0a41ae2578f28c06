package org.finetune4j.data.examples;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.primitives.ImmutableIntArray;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BadRecords;
import org.finetune4j.data.ReadOptions;
import org.finetune4j.data.RecordFiles;
import org.finetune4j.data.RecordSource;
import org.finetune4j.data.SeededShuffle;
import org.finetune4j.data.format.Example;
import org.jspecify.annotations.Nullable;

/** The examples of files. Every record is checked when they are opened, and stays in its file. */
public final class LoadedExamples implements ExampleDataset {

    /** Names of unused keys that are kept. */
    private static final int MOST_UNUSED = 20;

    private final DatasetSpec spec;
    private final RecordSource records;
    private final RecordParser parser;
    private final Tasks tasks;
    private final BadRecords bad;
    private final Set<Class<? extends Example>> kinds;
    private final Set<String> unusedKeys;

    private LoadedExamples(
            DatasetSpec spec,
            RecordSource records,
            RecordParser parser,
            Tasks tasks,
            BadRecords bad,
            Set<Class<? extends Example>> kinds,
            Set<String> unusedKeys) {
        this.spec = spec;
        this.records = records;
        this.parser = parser;
        this.tasks = tasks;
        this.bad = bad;
        this.kinds = kinds;
        this.unusedKeys = unusedKeys;
    }

    /**
     * Opens a dataset and checks its records.
     *
     * @param spec what to read, and how
     * @return the examples
     * @throws UserErrorException when a path stands for no file, no format fits, or a record is wrong: with file, line, what
     *     was expected and the nearest name
     */
    public static LoadedExamples open(DatasetSpec spec) {
        return open(spec, example -> {});
    }

    /**
     * Opens a dataset for something that not every example is good for.
     *
     * @param spec what to read, and how
     * @param check refuses an example by a user's error; it is then a bad record, which the dataset may leave out
     * @return the examples
     * @throws UserErrorException as {@link #open(DatasetSpec)}, and when the check refuses an example
     */
    public static LoadedExamples open(DatasetSpec spec, Consumer<Example> check) {
        RecordParser parser = new RecordParser(spec);
        Tasks.Builder tasks = new Tasks.Builder();
        BadRecords bad = new BadRecords(spec.onBadRecord());
        Set<Class<? extends Example>> kinds = new HashSet<>();
        Set<String> unused = new TreeSet<>();
        RecordSource records = RecordFiles.open(
                spec.paths(),
                new ReadOptions(spec.csvHeader(), spec.sql()),
                record -> {
                    Example example = parser.parse(record, 0);
                    check.accept(example);
                    kinds.add(example.getClass());
                    tasks.add(record);
                    if (unused.size() < MOST_UNUSED) {
                        unused.addAll(parser.unusedKeys(record));
                    }
                },
                bad);
        return new LoadedExamples(spec, records, parser, tasks.build(), bad, Set.copyOf(kinds), unused);
    }

    @Override
    public int size() {
        return records.size();
    }

    @Override
    public Example get(int index) {
        try {
            return parser.parse(records.get(index), SeededShuffle.draw(spec.seed(), index));
        } catch (UserErrorException e) {
            throw new UserErrorException(location(index) + ": " + e.getMessage(), e);
        }
    }

    @Override
    public String location(int index) {
        return records.location(index);
    }

    @Override
    public String task(int index) {
        String named = tasks.task(index);
        if (!named.isEmpty()) {
            return named;
        }
        return parser.tasksAreFiles() ? records.fileName(index) : spec.name();
    }

    @Override
    public Map<String, @Nullable Object> fields(int index) {
        return Json.toMap(records.get(index));
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return kinds;
    }

    /** {@return what the user said about this dataset} */
    public DatasetSpec spec() {
        return spec;
    }

    /**
     * The format that its records are in.
     *
     * @return its name, with the columns where they were found without being named; {@code "templates"} where templates
     *     put records into words
     */
    public String format() {
        return parser.formatName();
    }

    /** The number and the format of the records, keys that nothing reads, records that were left out. */
    @Override
    public List<String> notes() {
        List<String> notes = new ArrayList<>();
        notes.add(spec.name() + ": " + size() + " records, format " + format());
        if (!unusedKeys.isEmpty()) {
            notes.add("warning: " + spec.name() + ": keys of the records that are not used: "
                    + String.join(", ", unusedKeys));
        }
        if (bad.count() > 0) {
            notes.add("warning: " + spec.name() + ": " + bad.count() + " bad records skipped, the first: "
                    + bad.messages().get(0));
        }
        return notes;
    }

    /**
     * Records that were left out because they are wrong.
     *
     * @return their number and reasons
     */
    public BadRecords badRecords() {
        return bad;
    }

    /** The tasks that records name, each name kept once. */
    private record Tasks(List<String> names, ImmutableIntArray ofRecord) {

        String task(int record) {
            return names.get(ofRecord.get(record));
        }

        static final class Builder {

            private final Map<String, Integer> ids = new HashMap<>();
            private final List<String> names = new ArrayList<>();
            private final ImmutableIntArray.Builder ofRecord = ImmutableIntArray.builder();

            void add(JsonNode record) {
                String name = RecordParser.TASK_KEYS.stream()
                        .map(key -> record.path(key).asText(""))
                        .filter(task -> !task.isEmpty())
                        .findFirst()
                        .orElse("");
                ofRecord.add(ids.computeIfAbsent(name, added -> {
                    names.add(added);
                    return names.size() - 1;
                }));
            }

            Tasks build() {
                return new Tasks(List.copyOf(names), ofRecord.build().trimmed());
            }
        }
    }
}
