package org.finetune4j.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.finetune4j.AtomicFiles;

/** The files beside weights and configuration that make a model directory complete. */
public final class ModelFiles {

    static final List<String> TOKENIZER = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja",
            "tokenizer.model",
            "vocab.json",
            "merges.txt",
            "added_tokens.json");

    static final List<String> GENERATION = List.of("generation_config.json");

    private ModelFiles() {}

    /** Copies configuration, generation settings and tokenizer of a model directory to another one. */
    public static void copyAll(Path from, Path to) {
        copy(List.of(ModelConfig.FILE), from, to);
        copy(GENERATION, from, to);
        copy(TOKENIZER, from, to);
    }

    /** Copies those of {@code names} that are in {@code from} and not the same file already. */
    static void copy(List<String> names, Path from, Path to) {
        for (String name : names) {
            Path source = from.resolve(name);
            Path copy = to.resolve(name);
            boolean sameFile = source.toAbsolutePath()
                    .normalize()
                    .equals(copy.toAbsolutePath().normalize());
            if (Files.isRegularFile(source) && !sameFile) {
                AtomicFiles.write(copy, path -> Files.copy(source, path, StandardCopyOption.REPLACE_EXISTING));
            }
        }
    }
}
