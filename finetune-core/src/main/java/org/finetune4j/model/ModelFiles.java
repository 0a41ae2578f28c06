package org.finetune4j.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** The files beside weights and configuration that make a model directory complete. */
public final class ModelFiles {

    private static final List<String> TOKENIZER = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja",
            "chat_template.json",
            "tokenizer.model",
            "vocab.json",
            "merges.txt",
            "added_tokens.json");

    static final List<String> GENERATION = List.of("generation_config.json");

    private ModelFiles() {}

    /**
     * Copies configuration, generation settings and tokenizer of a model directory to another one.
     *
     * @param from the directory that has them
     * @param to the directory that gets them
     */
    public static void copyAll(Path from, Path to) {
        copy(List.of(ModelConfig.FILE), from, to);
        copy(GENERATION, from, to);
        copy(tokenizer(from), from, to);
    }

    /**
     * How much the weights of a directory are.
     *
     * @param directory of a model or an adapter
     * @return bytes of all its safetensors files
     * @throws UserErrorException when it cannot be read
     */
    public static long weightBytes(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            long bytes = 0;
            for (Path file : files.filter(path -> path.toString().endsWith(".safetensors"))
                    .toList()) {
                bytes += Files.size(file);
            }
            return bytes;
        } catch (IOException e) {
            throw new UserErrorException(directory + ": cannot be read: " + Reasons.of(e), e);
        }
    }

    /** The names of a tokenizer's files, with those of further chat templates that the directory has. */
    static List<String> tokenizer(Path directory) {
        Path folder = directory.resolve("additional_chat_templates");
        if (!Files.isDirectory(folder)) {
            return TOKENIZER;
        }
        try (Stream<Path> files = Files.list(folder)) {
            Stream<String> templates = files.map(
                            file -> directory.relativize(file).toString())
                    .filter(name -> name.endsWith(".jinja"))
                    .sorted();
            return Stream.concat(TOKENIZER.stream(), templates).toList();
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + folder + ": " + Reasons.of(e), e);
        }
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
                AtomicFiles.copy(source, copy);
            }
        }
    }
}
