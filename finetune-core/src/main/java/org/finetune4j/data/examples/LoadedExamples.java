package org.finetune4j.data.examples;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.primitives.ImmutableIntArray;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BadRecords;
import org.finetune4j.data.ReadOptions;
import org.finetune4j.data.RecordFiles;
import org.finetune4j.data.RecordSource;
import org.finetune4j.data.SeededShuffle;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.RecordFormat;
import org.finetune4j.data.format.RecordFormats;

/** The examples of files. Every record is checked when they are opened, and stays in its file. */
public final class LoadedExamples implements ExampleDataset {

    private static final List<String> TASK_KEYS = List.of("task", "task_name");

    private final DatasetSpec spec;
    private final RecordSource records;
    private final RecordParser parser;
    private final Tasks tasks;
    private final BadRecords bad;
    private final Set<Class<? extends Example>> kinds;

    private LoadedExamples(
            DatasetSpec spec,
            RecordSource records,
            RecordParser parser,
            Tasks tasks,
            BadRecords bad,
            Set<Class<? extends Example>> kinds) {
        this.spec = spec;
        this.records = records;
        this.parser = parser;
        this.tasks = tasks;
        this.bad = bad;
        this.kinds = kinds;
    }

    /**
     * Opens a dataset and checks its records.
     *
     * @throws UserErrorException when a path stands for no file, no format fits, or a record is wrong: with file, line,
     *     what was expected and the nearest name
     */
    public static LoadedExamples open(DatasetSpec spec) {
        RecordParser parser = new RecordParser(spec);
        Tasks.Builder tasks = new Tasks.Builder();
        BadRecords bad = new BadRecords(spec.onBadRecord());
        Set<Class<? extends Example>> kinds = new HashSet<>();
        RecordSource records = RecordFiles.open(
                spec.paths(),
                new ReadOptions(spec.csvHeader(), spec.sql()),
                record -> {
                    kinds.add(parser.parse(record, 0).getClass());
                    tasks.add(record);
                },
                bad);
        return new LoadedExamples(spec, records, parser, tasks.build(), bad, Set.copyOf(kinds));
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
    public Set<Class<? extends Example>> kinds() {
        return kinds;
    }

    /** What the user said about this dataset. */
    public DatasetSpec spec() {
        return spec;
    }

    /** The format that its records are in; {@code "templates"} where templates put them into words. */
    public String format() {
        return parser.formatName();
    }

    /** Records that were left out because they are wrong. */
    public BadRecords badRecords() {
        return bad;
    }

    /** Turns records into examples; the first record decides the format where the user did not. */
    private static final class RecordParser {

        private final DatasetSpec spec;
        private final RecordMapping mapping;
        private volatile RecordFormat format;

        @SuppressWarnings("NullAway.Init") // The first record sets the format, before there is a dataset.
        RecordParser(DatasetSpec spec) {
            this.spec = spec;
            this.mapping = new RecordMapping(spec.columns(), spec.tags());
            String name = spec.format();
            if (name != null) {
                choose(RecordFormats.named(name));
            }
        }

        Example parse(JsonNode record, long draw) {
            JsonNode mapped = mapping.apply(record);
            try {
                if (!spec.templates().isEmpty()) {
                    int chosen =
                            (int) Long.remainderUnsigned(draw, spec.templates().size());
                    return spec.templates().get(chosen).apply(mapped);
                }
                if (format == null) {
                    choose(RecordFormats.detect(mapped));
                }
                return format.parse(mapped);
            } catch (UserErrorException e) {
                throw new UserErrorException(e.getMessage() + mapping.missing(record), e);
            }
        }

        boolean tasksAreFiles() {
            return format != null && !spec.columns().containsKey("task") && format.recordsOfAFileAreOneTask();
        }

        String formatName() {
            return spec.templates().isEmpty() ? format.name() : "templates";
        }

        private void choose(RecordFormat chosen) {
            for (String key : spec.columns().keySet()) {
                if (!chosen.keys().contains(key) && !TASK_KEYS.contains(key)) {
                    throw new UserErrorException("columns names '" + key + "', but the format " + chosen.name()
                            + " has " + String.join(", ", chosen.keys())
                            + Suggestions.didYouMean(key, chosen.keys()));
                }
            }
            format = chosen;
        }
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
                String name = TASK_KEYS.stream()
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
