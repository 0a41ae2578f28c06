package org.finetune4j.data;

import org.jspecify.annotations.Nullable;

/**
 * How files become records.
 *
 * @param csvHeader whether the first row of CSV and TSV files names the columns
 * @param sql a query whose rows are the records, or null; it selects from {@code data}, the files, or from what it names
 *     itself
 */
public record ReadOptions(boolean csvHeader, @Nullable String sql) {

    /** The same for files that a query selects from. */
    ReadOptions withoutQuery() {
        return new ReadOptions(csvHeader, null);
    }

    /**
     * What holds where a user says nothing.
     *
     * @return a header, no query
     */
    public static ReadOptions defaults() {
        return new ReadOptions(true, null);
    }
}
