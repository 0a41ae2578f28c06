package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;

/**
 * What lies beside an adapter's weights: the tokenizer, with the tokens that were added for the training, and the chat
 * template. They are the words that the adapter was trained with; a model that carries the adapter reads and writes texts in
 * them, see {@link CausalLM#useTextOf}.
 *
 * <p>A directory without such files, or with those of the base, changes nothing. It owns native memory: close it.
 */
public final class AdapterDirectory implements AutoCloseable {

    /** The file of an adapter's settings, in PEFT's format. */
    public static final String CONFIG = "adapter_config.json";

    /** The file of an adapter's weights, in PEFT's format. */
    public static final String WEIGHTS = "adapter_model.safetensors";

    private static final List<String> BASES = List.of("base_model_name_or_path", "model_name");
    private static final List<String> SLOW = List.of("tokenizer.model", "vocab.json", "added_tokens.json");

    private final Path path;
    private final @Nullable Path base;
    private final @Nullable Tokenizer tokenizer;

    private AdapterDirectory(Path path, @Nullable Path base, @Nullable Tokenizer tokenizer) {
        this.path = path;
        this.base = base;
        this.tokenizer = tokenizer;
    }

    /**
     * Reads what lies beside an adapter's weights.
     *
     * @param directory the adapter's
     * @param base directory of the model that it is to be used on, or null for one that has none
     * @return what the adapter says in other words than its base
     * @throws UserErrorException when a file cannot be read, or is of a kind that cannot be used
     */
    public static AdapterDirectory open(Path directory, @Nullable Path base) {
        boolean own = Files.isRegularFile(directory.resolve(Tokenizer.FILE));
        if (!own) {
            refuseOtherTokenizer(directory, base);
        }
        boolean changed = own && differs(directory, base, List.of(Tokenizer.FILE, Tokenizer.CONFIG));
        return new AdapterDirectory(directory, base, changed ? Tokenizer.load(directory, base) : null);
    }

    /** An older format that is the base's own says nothing new; any other one would be ignored. */
    private static void refuseOtherTokenizer(Path directory, @Nullable Path base) {
        for (String name : SLOW) {
            if (Files.isRegularFile(directory.resolve(name)) && differs(directory, base, List.of(name))) {
                throw new UserErrorException(directory.resolve(name) + ": the adapter brings a tokenizer in an older"
                        + " format that its base does not have; write it once with transformers: "
                        + "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)");
            }
        }
    }

    private static boolean differs(Path directory, @Nullable Path base, List<String> names) {
        if (base == null) {
            return true;
        }
        for (String name : names) {
            Path mine = directory.resolve(name);
            Path other = base.resolve(name);
            try {
                if (Files.isRegularFile(mine) && (!Files.isRegularFile(other) || Files.mismatch(mine, other) >= 0)) {
                    return true;
                }
            } catch (IOException e) {
                throw new UserErrorException("cannot compare " + mine + " with " + other + ": " + Reasons.of(e), e);
            }
        }
        return false;
    }

    /**
     * What an adapter says its base is called.
     *
     * @param directory the adapter's
     * @return a path or a name on the hub: PEFT's {@code base_model_name_or_path}, AdapterHub's {@code model_name}; empty where
     *     it says neither
     * @throws UserErrorException when its settings cannot be read
     */
    public static Optional<String> baseOf(Path directory) {
        JsonNode settings = InputFiles.jsonObject(directory.resolve(CONFIG));
        return BASES.stream()
                .map(key -> settings.path(key).asText(""))
                .filter(name -> !name.isEmpty())
                .findFirst();
    }

    /**
     * The directory itself.
     *
     * @return its path
     */
    public Path path() {
        return path;
    }

    /**
     * The tokenizer that the adapter was trained with, where it is another one than its base's.
     *
     * @return one that belongs to this directory and is closed with it, or empty
     */
    public Optional<Tokenizer> tokenizer() {
        return Optional.ofNullable(tokenizer);
    }

    /**
     * The chat template that the adapter was trained with.
     *
     * @return with the special tokens of the adapter's tokenizer or, where it has none, of its base; empty where the
     *     adapter has no template
     * @throws UserErrorException when its file cannot be read
     */
    public Optional<ChatTemplate> chatTemplate() {
        if (ChatTemplate.source(path).isEmpty()) {
            return Optional.empty();
        }
        boolean ownTokens = base == null || Files.isRegularFile(path.resolve(Tokenizer.CONFIG));
        return ownTokens
                ? ChatTemplate.load(path)
                : Optional.of(ChatTemplate.named(path.toAbsolutePath().toString(), base));
    }

    /**
     * Refuses a tokenizer in which the base's tokens have other ids: their rows in the base's embedding mean other tokens.
     *
     * @throws UserErrorException when the adapter was made for another vocabulary
     */
    public void checkVocabulary() {
        if (tokenizer == null || base == null) {
            return;
        }
        Optional<Vocabulary> own = Vocabulary.of(path);
        Optional<Vocabulary> other = Vocabulary.of(base);
        if (own.isPresent() && other.isPresent()) {
            own.get().movedFrom(other.get()).ifPresent(difference -> {
                throw new UserErrorException(difference + ": the adapter was made for another vocabulary");
            });
        }
    }

    /**
     * Whether the adapter says nothing that its base does not say.
     *
     * @return whether it has neither a tokenizer nor a template of its own
     */
    public boolean isPlain() {
        return tokenizer == null && ChatTemplate.source(path).isEmpty();
    }

    /**
     * Copies tokenizer and template to another directory, for an adapter that is written again.
     *
     * @param target that directory, which exists
     * @throws UserErrorException when a file cannot be written
     */
    public void copyTo(Path target) {
        ModelFiles.copy(ModelFiles.tokenizer(path), path, target);
    }

    /** Frees the tokenizer. */
    @Override
    public void close() {
        if (tokenizer != null) {
            tokenizer.close();
        }
    }
}
