package org.finetune4j.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The small models of every architecture with the results that transformers recorded for them. */
public final class GoldenModels {

    private static final Path ROOT = Path.of("src/test/resources/goldens/arch");

    private GoldenModels() {}

    /** The names of all of them. */
    public static List<String> names() {
        try (Stream<Path> directories = Files.list(ROOT)) {
            return directories
                    .map(directory -> directory.getFileName().toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Path directory(String name) {
        return ROOT.resolve(name);
    }
}
