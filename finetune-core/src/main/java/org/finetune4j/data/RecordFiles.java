package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;

/**
 * Opens files, directories and patterns as one list of records. Endings decide how a file is read: {@code .csv},
 * {@code .tsv}, {@code .parquet}, {@code .txt} (a record a line); everything else is JSON. Files packed with gzip or zstd are known by their content.
 */
public final class RecordFiles {

    private RecordFiles() {}

    /**
     * Opens the records.
     *
     * @param paths files, directories (their data files, by name), and patterns such as {@code data/*.jsonl.gz}
     * @param options what the kinds of files need to be told
     * @param check is given every record, and throws {@link UserErrorException} for one that is wrong
     * @param bad decides what becomes of records that are wrong, and counts them
     * @return the records of all files, in their order
     * @throws UserErrorException when nothing matches, a file cannot be read, or no record is left
     */
    public static RecordSource open(
            List<String> paths, ReadOptions options, Consumer<? super JsonNode> check, BadRecords bad) {
        RecordCheck records = new RecordCheck(check, bad);
        String sql = options.sql();
        List<RecordSource> sources = new ArrayList<>();
        if (sql != null) {
            List<Path> files = paths.isEmpty() ? List.of() : FilePatterns.resolve(paths);
            Path shown = files.isEmpty() ? Path.of("dataset_sql") : files.get(0);
            sources.add(RecordFile.open(DuckDb.query(shown, sql, files, options), records));
        } else {
            for (Path file : FilePatterns.resolve(paths)) {
                sources.add(open(file, options, records));
            }
        }
        RecordSource all = sources.size() == 1 ? sources.get(0) : ConcatenatedRecords.of(sources);
        if (all.size() == 0) {
            throw new UserErrorException(
                    String.join(", ", paths) + ": the dataset is empty, expected at least one record"
                            + (bad.count() == 0
                                    ? ""
                                    : "; " + bad.count() + " were skipped, the first: "
                                            + bad.messages().get(0)));
        }
        return all;
    }

    /** Whether a file is read by DuckDB. */
    static boolean isParquet(Path file) {
        return FilePatterns.nameWithoutPacking(file).endsWith(".parquet");
    }

    private static RecordSource open(Path file, ReadOptions options, RecordCheck check) {
        String name = FilePatterns.nameWithoutPacking(file);
        if (isParquet(file)) {
            return RecordFile.open(DuckDb.parquet(file), check);
        }
        DataFile unpacked = Decompression.open(file);
        if (name.endsWith(".csv")) {
            return SeparatedValues.open(unpacked, SeparatedValues.Dialect.CSV, options.csvHeader(), check);
        }
        if (name.endsWith(".tsv")) {
            return SeparatedValues.open(unpacked, SeparatedValues.Dialect.TSV, options.csvHeader(), check);
        }
        if (FilePatterns.isPlainText(file)) {
            return TextLines.open(unpacked, check);
        }
        return RecordFile.open(unpacked, check);
    }
}
