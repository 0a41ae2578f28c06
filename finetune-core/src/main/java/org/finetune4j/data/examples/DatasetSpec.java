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

    /**
     * Checks that there is something to read.
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
     * @throws UserErrorException when there is nothing to read, or a number makes no sense
     */
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

    /**
     * {@return a dataset of one file, directory or pattern}
     *
     * @param path as the user wrote it
     */
    public static Builder of(String path) {
        return new Builder().path(path);
    }

    /** {@return a builder of a dataset without paths} */
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

        /**
         * Names the dataset, for reports and for records that name no task.
         *
         * @param value the first path unless set
         * @return this builder
         */
        public Builder name(String value) {
            name = Objects.requireNonNull(value, "name");
            return this;
        }

        /**
         * Adds a place to read.
         *
         * @param value a file, directory or pattern
         * @return this builder
         */
        public Builder path(String value) {
            paths.add(Objects.requireNonNull(value, "path"));
            return this;
        }

        /**
         * Sets the format of the records.
         *
         * @param value the name of a format, or null to go by the first record
         * @return this builder
         */
        public Builder format(@Nullable String value) {
            format = value;
            return this;
        }

        /**
         * Says where a record has what a format reads.
         *
         * @param key the format's key
         * @param column the dataset's name for it
         * @return this builder
         */
        public Builder column(String key, String column) {
            columns.put(Objects.requireNonNull(key, "key"), Objects.requireNonNull(column, "column"));
            return this;
        }

        /**
         * Sets the names inside messages.
         *
         * @param value names inside messages, or null
         * @return this builder
         */
        public Builder tags(@Nullable MessageTags value) {
            tags = value;
            return this;
        }

        /**
         * Adds a template; with several, the seed chooses one for each record.
         *
         * @param value puts records into words
         * @return this builder
         */
        public Builder template(FieldTemplate value) {
            templates.add(Objects.requireNonNull(value, "template"));
            return this;
        }

        /**
         * Sets whether tables have a row of names.
         *
         * @param value whether the first row of CSV and TSV files names the columns; {@code true} unless set
         * @return this builder
         */
        public Builder csvHeader(boolean value) {
            csvHeader = value;
            return this;
        }

        /**
         * Sets a query to run over the files.
         *
         * @param value a query whose rows are the records, or null
         * @return this builder
         */
        public Builder sql(@Nullable String value) {
            sql = value;
            return this;
        }

        /**
         * Sets the share in a mixture.
         *
         * @param value the share of the dataset in a mixture, relative to others; null: by its size
         * @return this builder
         */
        public Builder weight(@Nullable Double value) {
            weight = value;
            return this;
        }

        /**
         * Limits the number of examples.
         *
         * @param value the most examples that are used; 0 for all
         * @return this builder
         */
        public Builder maxSamples(int value) {
            maxSamples = value;
            return this;
        }

        /**
         * Limits the number of examples of each task.
         *
         * @param value the most examples of each task; 0 for all
         * @return this builder
         */
        public Builder maxSamplesPerTask(int value) {
            maxSamplesPerTask = value;
            return this;
        }

        /**
         * Sets what becomes of records that are wrong.
         *
         * @param value {@link BadRecordPolicy#ERROR} unless set
         * @return this builder
         */
        public Builder onBadRecord(BadRecordPolicy value) {
            onBadRecord = Objects.requireNonNull(value, "onBadRecord");
            return this;
        }

        /**
         * Sets the seed.
         *
         * @param value chooses templates, and which examples stay under a cap; 42 unless set
         * @return this builder
         */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /**
         * Makes the description.
         *
         * @return the description
         * @throws UserErrorException when there is nothing to read, or a number makes no sense
         */
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
