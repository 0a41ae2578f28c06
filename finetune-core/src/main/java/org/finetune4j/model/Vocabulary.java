package org.finetune4j.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** Which token every id stands for in a directory's {@code tokenizer.json}: what an embedding's rows mean. */
public final class Vocabulary {

    private final Path directory;
    private final Map<Integer, String> tokens;

    private Vocabulary(Path directory, Map<Integer, String> tokens) {
        this.directory = directory;
        this.tokens = new TreeMap<>(tokens);
    }

    /**
     * Reads a directory's vocabulary.
     *
     * @param directory of a model or an adapter
     * @return its vocabulary, or empty where it has no {@code tokenizer.json}
     * @throws UserErrorException when the file cannot be read
     */
    public static Optional<Vocabulary> of(Path directory) {
        Path file = directory.resolve(Tokenizer.FILE);
        if (!Files.isRegularFile(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(new Vocabulary(
                    directory,
                    TokenizerFile.parse(file, Files.readAllBytes(file)).tokens()));
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
    }

    /**
     * Looks for an id that stands for another token in another vocabulary. Ids that only one of them has do not count.
     *
     * @param other the other one
     * @return a description of the first such id, or empty where the rows of one embedding can be added to the other's
     */
    public Optional<String> conflictWith(Vocabulary other) {
        return tokens.entrySet().stream()
                .filter(entry -> !entry.getValue().equals(other.tokens.getOrDefault(entry.getKey(), entry.getValue())))
                .map(entry -> describe(entry.getKey(), entry.getValue(), other))
                .findFirst();
    }

    private String describe(int id, String token, Vocabulary other) {
        return directory.resolve(Tokenizer.FILE) + ": id " + id + " is '" + Reasons.oneLine(token) + "', in "
                + other.directory.resolve(Tokenizer.FILE) + " it is '"
                + Reasons.oneLine(String.valueOf(other.tokens.get(id))) + "'";
    }

    /**
     * Looks for a token that has another id in another vocabulary. A token that only one of them has does not count: it was
     * added, or a reserved one was renamed.
     *
     * @param other the other one
     * @return a description of the first such token, or empty
     */
    public Optional<String> movedFrom(Vocabulary other) {
        Map<String, Integer> ids = new HashMap<>();
        other.tokens.forEach((id, token) -> ids.putIfAbsent(token, id));
        return tokens.entrySet().stream()
                .filter(entry -> !entry.getKey().equals(ids.getOrDefault(entry.getValue(), entry.getKey())))
                .map(entry -> directory.resolve(Tokenizer.FILE) + ": '" + Reasons.oneLine(entry.getValue()) + "' is id "
                        + entry.getKey() + ", in " + other.directory.resolve(Tokenizer.FILE) + " it is id "
                        + ids.get(entry.getValue()))
                .findFirst();
    }
}
