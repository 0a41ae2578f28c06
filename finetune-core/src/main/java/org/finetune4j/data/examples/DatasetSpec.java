package org.finetune4j.data.examples;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BadRecordPolicy;
import org.finetune4j.data.format.FieldTemplate;
import org.jspecify.annotations.Nullable;

/**
 * One dataset as a user describes it.
 *
 * @param name what reports call it, and the task of records that name none
 * @param paths files, directories, patterns
 * @param format the name of a format, or null to go by the first record
 * @param columns from a format's key to the dataset's name for it
 * @param tags names inside messages, or null
 * @param templates if any, records are put into words with these instead of a format
 * @param csvHeader whether the first row of CSV and TSV files names the columns
 * @param sql a query whose rows are the records, or null
 * @param weight the share of the dataset in a mixture, relative to others; null: by its size
 * @param maxSamples the most examples that are used; 0 for all
 * @param maxSamplesPerTask the most examples of each task; 0 for all
 * @param onBadRecord what becomes of records that do not fit
 * @param seed chooses templates, and which examples stay under a cap
 */
public record DatasetSpec(
        String name,
        List<String> paths,
        @Nullable String format,
        Map<String, String> columns,
        @Nullable MessageTags tags,
        List<FieldTemplate> templates,
        boolean csvHeader,
        @Nullable String sql,
        @Nullable Double weight,
        int maxSamples,
        int maxSamplesPerTask,
        BadRecordPolicy onBadRecord,
        long seed) {

    public DatasetSpec {
        Objects.requireNonNull(onBadRecord, "onBadRecord");
        paths = List.copyOf(paths);
        columns = Map.copyOf(columns);
        templates = List.copyOf(templates);
        if (paths.isEmpty() && sql == null) {
            throw new UserErrorException(name + ": a dataset needs a path, or a query");
        }
        if (weight != null && !(weight > 0 && Double.isFinite(weight))) {
            throw new UserErrorException(name + ": 'weight' is " + weight + ", expected a number above 0");
        }
        if (maxSamples < 0 || maxSamplesPerTask < 0) {
            throw new UserErrorException(name + ": 'max_samples' must not be negative");
        }
    }

    /** A dataset of one file, directory or pattern. */
    public static Builder of(String path) {
        return new Builder().path(path);
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Collects what is said about a dataset. */
    public static final class Builder {

        private @Nullable String name;
        private final List<String> paths = new ArrayList<>();
        private @Nullable String format;
        private final Map<String, String> columns = new LinkedHashMap<>();
        private @Nullable MessageTags tags;
        private final List<FieldTemplate> templates = new ArrayList<>();
        private boolean csvHeader = true;
        private @Nullable String sql;
        private @Nullable Double weight;
        private int maxSamples;
        private int maxSamplesPerTask;
        private BadRecordPolicy onBadRecord = BadRecordPolicy.ERROR;
        private long seed = 42;

        private Builder() {}

        public Builder name(String value) {
            name = Objects.requireNonNull(value, "name");
            return this;
        }

        public Builder path(String value) {
            paths.add(value);
            return this;
        }

        public Builder format(@Nullable String value) {
            format = value;
            return this;
        }

        public Builder column(String key, String column) {
            columns.put(key, column);
            return this;
        }

        public Builder tags(@Nullable MessageTags value) {
            tags = value;
            return this;
        }

        public Builder template(FieldTemplate value) {
            templates.add(value);
            return this;
        }

        public Builder csvHeader(boolean value) {
            csvHeader = value;
            return this;
        }

        public Builder sql(@Nullable String value) {
            sql = value;
            return this;
        }

        public Builder weight(@Nullable Double value) {
            weight = value;
            return this;
        }

        public Builder maxSamples(int value) {
            maxSamples = value;
            return this;
        }

        public Builder maxSamplesPerTask(int value) {
            maxSamplesPerTask = value;
            return this;
        }

        public Builder onBadRecord(BadRecordPolicy value) {
            onBadRecord = Objects.requireNonNull(value, "onBadRecord");
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /** @throws UserErrorException when there is nothing to read, or a number makes no sense */
        public DatasetSpec build() {
            String shown = name != null ? name : paths.isEmpty() ? "dataset_sql" : paths.get(0);
            return new DatasetSpec(
                    shown,
                    paths,
                    format,
                    columns,
                    tags,
                    templates,
                    csvHeader,
                    sql,
                    weight,
                    maxSamples,
                    maxSamplesPerTask,
                    onBadRecord,
                    seed);
        }
    }
}
