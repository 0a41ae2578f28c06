package org.finetune4j.data;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.regex.Glob;

/** Turns what a user wrote into the files that are meant, in an order that does not depend on the file system. */
public final class FilePatterns {

    private static final List<String> TEXT_ENDINGS = List.of(".txt", ".text");
    private static final List<String> RECORD_ENDINGS =
            List.of(".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet");
    private static final List<String> DATA_ENDINGS =
            Stream.concat(RECORD_ENDINGS.stream(), TEXT_ENDINGS.stream()).toList();
    private static final List<String> PACKINGS = List.of(".gz", ".zst");
    private static final Pattern ADDRESS = Pattern.compile("^[a-z][a-z0-9+]+://");
    private static final String DATASET_INFO = "dataset_info.json";

    private FilePatterns() {}

    /**
     * The files.
     *
     * @param paths files, directories and patterns; patterns have {@code *}, {@code ?}, {@code [...]} or {@code {...}}, and
     *     {@code **} for any number of directories
     * @return each file once
     * @throws UserErrorException for the first one that stands for no file
     */
    public static List<Path> resolve(List<String> paths) {
        List<Path> files = new ArrayList<>();
        for (String path : paths) {
            files.addAll(resolve(path));
        }
        return files;
    }

    /** The files of records that a text in a query names; empty where it is another text, or names Parquet files. */
    static List<Path> recordsNamed(String text) {
        try {
            boolean records = holdsRecords(Path.of(text)) && !RecordFiles.isParquet(Path.of(text));
            boolean present = records && (isPattern(text) || Files.isRegularFile(Path.of(text)));
            return present ? resolve(text) : List.of();
        } catch (InvalidPathException | UserErrorException e) {
            return List.of(); // It is no file's name.
        }
    }

    /** Whether a file's name says that it holds records; of plain text and other files it does not. */
    static boolean holdsRecords(Path file) {
        return RECORD_ENDINGS.stream().anyMatch(nameWithoutPacking(file)::endsWith);
    }

    /**
     * Whether a file's name says that it is plain text.
     *
     * @param file a file, packed or not
     * @return whether it ends as text files do
     */
    public static boolean isPlainText(Path file) {
        return TEXT_ENDINGS.stream().anyMatch(nameWithoutPacking(file)::endsWith);
    }

    private static boolean isPattern(String text) {
        return text.matches(".*[*?\\[{].*");
    }

    private static List<Path> resolve(String text) {
        if (ADDRESS.matcher(text).find()) {
            throw new UserErrorException(text + " is an address: data is read from files, so download it first");
        }
        Path path = InputFiles.path("data file", text);
        if (Files.isDirectory(path)) {
            return directory(path);
        }
        if (Files.exists(path) || !isPattern(text)) {
            return List.of(existing(path));
        }
        return matching(text);
    }

    private static Path existing(Path path) {
        if (Files.exists(path)) {
            return path;
        }
        Path parent = path.toAbsolutePath().getParent();
        Path name = path.getFileName();
        String hint = "";
        if (parent != null && name != null && Files.isDirectory(parent)) {
            hint = Suggestions.didYouMean(name.toString(), names(parent));
        }
        throw new UserErrorException("no such file: " + path + hint);
    }

    private static List<String> names(Path directory) {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.map(entry -> String.valueOf(entry.getFileName())).toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    private static List<Path> directory(Path directory) {
        List<Path> files =
                walk(directory, 1).stream().filter(FilePatterns::isData).toList();
        if (files.isEmpty()) {
            throw new UserErrorException(
                    directory + ": no data files in this directory, expected " + String.join(", ", DATA_ENDINGS));
        }
        return files;
    }

    private static boolean isData(Path file) {
        String name = nameWithoutPacking(file);
        return !name.startsWith(".")
                && !name.equals(DATASET_INFO)
                && DATA_ENDINGS.stream().anyMatch(name::endsWith);
    }

    /** The file's name in lower case, without {@code .gz} or {@code .zst}. */
    static String nameWithoutPacking(Path file) {
        Path last = file.getFileName();
        String name = last == null ? "" : last.toString().toLowerCase(Locale.ROOT);
        for (String packing : PACKINGS) {
            if (name.endsWith(packing)) {
                return name.substring(0, name.length() - packing.length());
            }
        }
        return name;
    }

    private static List<Path> matching(String pattern) {
        String plain = pattern.replaceFirst("[*?\\[{].*$", "");
        int slash = plain.lastIndexOf('/');
        Path root = Path.of(slash < 0 ? "" : slash == 0 ? "/" : plain.substring(0, slash));
        Glob matcher = Glob.of(pattern);
        List<Path> files = Files.isDirectory(root.toString().isEmpty() ? Path.of(".") : root)
                ? walk(root, pattern.contains("**") ? Integer.MAX_VALUE : depth(pattern, slash)).stream()
                        .filter(matcher::matches)
                        .toList()
                : List.of();
        if (files.isEmpty()) {
            throw new UserErrorException("no file matches " + pattern);
        }
        return files;
    }

    private static int depth(String pattern, int slash) {
        return 1
                + (int) pattern.substring(slash + 1)
                        .chars()
                        .filter(c -> c == '/')
                        .count();
    }

    private static List<Path> walk(Path root, int depth) {
        try (Stream<Path> entries = Files.walk(root, depth)) {
            return entries.filter(Files::isRegularFile).sorted().toList();
        } catch (IOException | UncheckedIOException e) {
            throw new UserErrorException("cannot read " + root + ": " + Reasons.of(e), e);
        }
    }
}
