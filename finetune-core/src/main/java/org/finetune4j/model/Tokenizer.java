package org.finetune4j.model;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.Reference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer of a checkpoint: text to token ids and back, exactly as transformers does it from the same files. It
 * never truncates, pads or uses the network.
 *
 * <p>All methods may be called from several threads. The tokenizer owns native memory: close it. To encode or decode
 * afterwards is an {@link IllegalStateException}.
 */
public final class Tokenizer implements AutoCloseable {

    static final String FILE = "tokenizer.json";
    static final String CONFIG = "tokenizer_config.json";

    private final Path directory;
    private final HuggingFaceTokenizer tokenizer;
    private final TokenizerFile tokens;
    private final Map<String, byte[]> changedFiles;
    private final SpecialTokens specialTokens;
    private final int[] leadingSpecialTokens;
    private final int[] trailingSpecialTokens;

    // Encoding and decoding share it; closing is exclusive, so that no thread is inside what is being freed.
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private boolean closed;

    private Tokenizer(
            Path directory,
            HuggingFaceTokenizer tokenizer,
            TokenizerFile tokens,
            SpecialTokens specialTokens,
            Map<String, byte[]> changedFiles) {
        this.directory = directory;
        this.tokenizer = tokenizer;
        this.tokens = tokens;
        this.changedFiles = changedFiles;
        this.specialTokens = specialTokens;
        PostProcessing postProcessing = PostProcessing.of(tokenizer, specialTokens);
        this.leadingSpecialTokens = postProcessing.leading();
        this.trailingSpecialTokens = postProcessing.trailing();
    }

    /**
     * Loads the tokenizer of a checkpoint directory: {@code tokenizer.json}, and the special tokens that the files beside it
     * name.
     *
     * @param directory of the model
     * @return the tokenizer, which the caller closes
     * @throws UserErrorException when there is no {@code tokenizer.json}, or it is malformed
     */
    public static Tokenizer load(Path directory) {
        return load(directory, AddedTokens.NONE);
    }

    /**
     * {@link #load(Path)} with tokens added. Those that it has already keep their ids, the others get the next free ones;
     * {@link #copyFilesTo} writes files that have them.
     *
     * @param directory of the model
     * @param added the tokens
     * @return the tokenizer, which the caller closes
     * @throws UserErrorException when there is no {@code tokenizer.json}, or it is malformed
     */
    public static Tokenizer load(Path directory, AddedTokens added) {
        return load(directory, directory, added);
    }

    /**
     * The tokenizer of an adapter's directory.
     *
     * @param base directory of the model, whose configuration names special tokens where the adapter's files do not
     */
    static Tokenizer load(Path directory, @Nullable Path base) {
        return load(directory, base == null ? directory : base, AddedTokens.NONE);
    }

    private static Tokenizer load(Path directory, Path model, AddedTokens added) {
        Path path = directory.resolve(FILE);
        byte[] content = read(directory, path);
        TokenizerFile tokens = TokenizerFile.parse(path, content);
        Map<String, byte[]> changed = Map.of();
        if (!added.isEmpty()) {
            changed = TokenizerExtension.extend(directory, tokens, added);
            content = changed.getOrDefault(FILE, content);
            tokens = TokenizerFile.parse(path, content);
        }
        byte[] effective = TokenizerPipeline.asTransformers(directory, content, tokens);
        if (effective != content) {
            tokens = TokenizerFile.parse(path, effective);
        }
        SpecialTokens specialTokens = SpecialTokens.read(directory, model, tokens);
        HuggingFaceTokenizer tokenizer = open(path, effective);
        try {
            return new Tokenizer(directory, tokenizer, tokens, specialTokens, changed);
        } catch (RuntimeException e) {
            tokenizer.close();
            throw new UserErrorException(path + ": the tokenizer cannot encode: " + Reasons.of(e), e);
        }
    }

    /**
     * {@return the ids of {@code text}} A special token written out in the text becomes its id, as in Python; a surrogate
     * that stands alone counts as U+FFFD.
     *
     * @param text of any length
     * @param addSpecialTokens whether to add what the tokenizer puts around a sequence: {@link #leadingSpecialTokens()} and
     *     {@link #trailingSpecialTokens()}
     * @throws UserErrorException when the vocabulary lacks a part of the text and has no unknown token
     * @throws IllegalStateException after {@link #close()}
     */
    public int[] encode(String text, boolean addSpecialTokens) {
        String unicode = wellFormed(text);
        int[] ids = whileOpen(open -> {
            try {
                return DjlTokenizers.ids(open, unicode);
            } catch (RuntimeException e) {
                String reason = Reasons.of(e);
                throw new UserErrorException("the tokenizer of " + directory + " cannot encode a text: " + reason, e);
            }
        });
        if (!addSpecialTokens || leadingSpecialTokens.length + trailingSpecialTokens.length == 0) {
            return ids;
        }
        int start = leadingSpecialTokens.length;
        int[] all = Arrays.copyOf(leadingSpecialTokens, start + ids.length + trailingSpecialTokens.length);
        System.arraycopy(ids, 0, all, start, ids.length);
        System.arraycopy(trailingSpecialTokens, 0, all, start + ids.length, trailingSpecialTokens.length);
        return all;
    }

    /**
     * {@return the ids of {@code text} and where each of them lies in it, with nothing added around}
     *
     * @param text of any length
     * @throws UserErrorException when the vocabulary lacks a part of the text and has no unknown token
     * @throws IllegalStateException after {@link #close()}
     */
    public TokenOffsets encodeWithOffsets(String text) {
        String unicode = wellFormed(text);
        return whileOpen(open -> {
            try {
                return DjlTokenizers.offsets(open, unicode);
            } catch (RuntimeException e) {
                String reason = Reasons.of(e);
                throw new UserErrorException("the tokenizer of " + directory + " cannot encode a text: " + reason, e);
            }
        });
    }

    /**
     * {@return the text of {@code ids}} Ids that no token has (a model's vocabulary may be padded) add nothing; bytes that
     * are not UTF-8 become U+FFFD.
     *
     * @param ids of the tokens
     * @param skipSpecialTokens whether special tokens add nothing
     * @throws IllegalStateException after {@link #close()}
     */
    public String decode(int[] ids, boolean skipSpecialTokens) {
        long[] wide = Arrays.stream(ids).asLongStream().toArray();
        return whileOpen(open -> open.decode(wide, skipSpecialTokens));
    }

    /**
     * A decoder for tokens that arrive one at a time.
     *
     * @param skipSpecialTokens whether special tokens add nothing
     * @return the decoder
     */
    public IncrementalDecoder incrementalDecoder(boolean skipSpecialTokens) {
        return new IncrementalDecoder(this, skipSpecialTokens);
    }

    /**
     * {@return the id of {@code token}, spelled as {@code tokenizer.json} spells it, or empty when there is no such token}
     *
     * @param token as tokenizer.json spells it
     */
    public OptionalInt id(String token) {
        return whileOpen(open -> tokens.id(token));
    }

    /**
     * The number of rows that an embedding needs.
     *
     * @return the largest id and one more
     */
    public int rows() {
        return whileOpen(open -> tokens.largestId()) + 1;
    }

    /** {@return number of tokens, added tokens included} A model's embedding may have more rows. */
    public int vocabSize() {
        return whileOpen(open -> tokens.size());
    }

    /**
     * {@return the token as {@code tokenizer.json} spells it ({@code "Ġthe"}, {@code "▁the"}): for reports, not for text}
     *
     * @param id from 0 to the size of the vocabulary
     * @throws IllegalArgumentException when no token has this id
     */
    public String token(int id) {
        String token = this.<@Nullable String>whileOpen(open -> tokens.token(id));
        if (token == null) {
            throw new IllegalArgumentException("no token has id " + id + " in " + directory);
        }
        return token;
    }

    /**
     * Where another tokenizer gives a token another id, so that ids of the one cannot be read by the other.
     *
     * @param other the other one
     * @return the first such id with both tokens, or empty where all are the same
     */
    public Optional<String> differenceFrom(Tokenizer other) {
        Map<Integer, String> own = whileOpen(open -> tokens.tokens());
        Map<Integer, String> others = other.whileOpen(open -> other.tokens.tokens());
        return Stream.concat(own.keySet().stream(), others.keySet().stream())
                .sorted()
                .filter(id -> !Objects.equals(own.get(id), others.get(id)))
                .findFirst()
                .map(id -> "id " + id + " is " + quoted(own.get(id)) + " in " + directory + ", and "
                        + quoted(others.get(id)) + " in " + other.directory);
    }

    private static String quoted(@Nullable String token) {
        return token == null ? "no token" : "'" + Reasons.oneLine(token) + "'";
    }

    /** {@return the id of the token that opens a sequence, if the checkpoint names one} */
    public OptionalInt bosTokenId() {
        return specialTokens.bos();
    }

    /** {@return the id of the token that ends a sequence, if the checkpoint names one} */
    public OptionalInt eosTokenId() {
        return specialTokens.eos();
    }

    /** {@return the id of the padding token, if the checkpoint names one} */
    public OptionalInt padTokenId() {
        return specialTokens.pad();
    }

    /**
     * {@return what {@link #encode} with special tokens puts before the text: usually BOS or nothing} The post-processor in
     * {@code tokenizer.json} decides, unless {@code add_bos_token} in {@code tokenizer_config.json} says otherwise.
     */
    public int[] leadingSpecialTokens() {
        return leadingSpecialTokens.clone();
    }

    /** {@return what {@link #encode} with special tokens puts after the text: usually nothing} */
    public int[] trailingSpecialTokens() {
        return trailingSpecialTokens.clone();
    }

    /**
     * Copies the tokenizer's files, those that exist, so that a saved model is complete. Tokens that were added are in them.
     *
     * @param target the directory
     * @throws UserErrorException when a file cannot be written
     */
    public void copyFilesTo(Path target) {
        List<String> unchanged = ModelFiles.tokenizer(directory).stream()
                .filter(name -> !changedFiles.containsKey(name))
                .toList();
        ModelFiles.copy(unchanged, directory, target);
        changedFiles.forEach(
                (name, content) -> AtomicFiles.write(target.resolve(name), path -> Files.write(path, content)));
    }

    /** Frees the native tokenizer. Waits for calls that are under way; closing twice is fine. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            closed = true;
            tokenizer.close();
        } finally {
            lock.writeLock().unlock();
        }
    }

    private <T extends @Nullable Object> T whileOpen(Function<HuggingFaceTokenizer, T> action) {
        lock.readLock().lock();
        try {
            if (closed) {
                throw new IllegalStateException("the tokenizer of " + directory + " is closed");
            }
            return action.apply(tokenizer);
        } finally {
            // DJL's class has a finalizer that frees the native object: it must not run during the call.
            Reference.reachabilityFence(tokenizer);
            lock.readLock().unlock();
        }
    }

    private static byte[] read(Path directory, Path path) {
        if (!Files.isDirectory(directory)) {
            throw new UserErrorException("no tokenizer: " + directory + " is not a directory");
        }
        if (!Files.isRegularFile(path)) {
            boolean slowFiles = Files.isRegularFile(directory.resolve("tokenizer.model"))
                    || Files.isRegularFile(directory.resolve("vocab.json"));
            throw new UserErrorException("no tokenizer.json in " + directory
                    + (slowFiles
                            ? ", only an older tokenizer format; write it once with transformers: "
                                    + "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
                            : ""));
        }
        return InputFiles.vocabulary(path);
    }

    private static HuggingFaceTokenizer open(Path path, byte[] content) {
        DjlTokenizers.configure();
        // Without these two DJL turns truncation to 512 tokens and padding on.
        Map<String, String> options = Map.of("truncation", "false", "padding", "false");
        try (InputStream stream = new ByteArrayInputStream(content)) {
            return HuggingFaceTokenizer.newInstance(stream, options);
        } catch (IOException | RuntimeException e) {
            throw new UserErrorException(path + ": not a valid tokenizer.json: " + Reasons.of(e), e);
        }
    }

    /** With U+FFFD for surrogates that stand alone, which native code would take other characters down with. */
    private static String wellFormed(String text) {
        StringBuilder fixed = null;
        for (int i = 0; i < text.length(); i++) {
            char current = text.charAt(i);
            if (!Character.isSurrogate(current)) {
                continue;
            }
            if (Character.isSupplementaryCodePoint(text.codePointAt(i))) {
                i++;
                continue;
            }
            fixed = fixed == null ? new StringBuilder(text) : fixed;
            fixed.setCharAt(i, '\uFFFD');
        }
        return fixed == null ? text : fixed.toString();
    }
}
