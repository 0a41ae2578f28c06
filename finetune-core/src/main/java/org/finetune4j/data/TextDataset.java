package org.finetune4j.data;

import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import com.google.common.primitives.ImmutableIntArray;
import com.google.common.primitives.ImmutableLongArray;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Tokenizer;

/**
 * Plain text for training on every token. The text stays on disk: opening tokenises it once to count, and blocks are
 * tokenised again when they are asked for, the recent ones from a bounded cache. Thread-safe. The tokenizer must stay
 * open.
 */
public final class TextDataset implements TrainingDataset {

    /** Tokens kept of what was read last: 64 MiB. */
    private static final long CACHED_TOKENS = 1 << 24;

    private final TextSource source;
    private final Tokenizer tokenizer;
    private final int[] bos;
    private final int[] eos;
    private final int blockSize;

    private final Cache<Integer, int[]> cache = CacheBuilder.newBuilder()
            .concurrencyLevel(1)
            .maximumWeight(CACHED_TOKENS)
            .weigher((Integer piece, int[] tokens) -> tokens.length)
            .build();

    private final IntFunction<int[]> pieces;

    // Positions count the tokens of all documents, special tokens included.
    private final long[] pieceStarts; // one more than pieces
    private final ImmutableLongArray blockStarts;
    private final ImmutableIntArray blockLengths;

    private TextDataset(TextSource source, Tokenizer tokenizer, TextOptions options) {
        this.source = source;
        this.tokenizer = tokenizer;
        this.bos = bos(tokenizer, options);
        this.eos = eos(tokenizer, options);
        this.blockSize = options.blockSize();
        this.pieces = options.sharing()
                .once(source.pieces(), this::tokenize, tokens -> new int[][] {tokens}, numbers -> numbers[0]);
        this.pieceStarts = countTokens();
        ImmutableLongArray.Builder starts = ImmutableLongArray.builder();
        ImmutableIntArray.Builder lengths = ImmutableIntArray.builder();
        long from = 0;
        for (int piece = 0; piece < source.pieces(); piece++) {
            boolean last = piece == source.pieces() - 1;
            if (last || (options.packing() == TextPacking.PER_DOCUMENT && source.closesDocument(piece))) {
                cut(from, pieceStarts[piece + 1], options.blockSize(), starts, lengths);
                from = pieceStarts[piece + 1];
            }
        }
        this.blockStarts = starts.build();
        this.blockLengths = lengths.build();
        if (blockLengths.isEmpty()) {
            throw new UserErrorException(source.location(0) + ": the dataset is empty, expected at least two tokens");
        }
    }

    /**
     * Opens a file of text; see {@link #load(List, Tokenizer, TextOptions)}.
     *
     * @param file a text file, or one of records
     * @param tokenizer must stay open
     * @param options how the text is cut
     * @return the samples
     * @throws UserErrorException when the file cannot be read, is malformed or holds no text: with file and line
     */
    public static TextDataset load(Path file, Tokenizer tokenizer, TextOptions options) {
        return load(List.of(file), tokenizer, options);
    }

    /**
     * Opens files of text, one after the other, each of which begins a document. Those whose names end as files of records
     * ({@code .jsonl}, {@code .csv}, {@code .parquet}, ...) hold records with a text ({@link TextOptions#textField()}),
     * each a document; others are text themselves.
     *
     * @param files at least one, packed or not
     * @param tokenizer must stay open
     * @param options how the text is cut
     * @return the samples
     * @throws UserErrorException when a file cannot be read, is malformed or holds no text: with file and line
     */
    public static TextDataset load(List<Path> files, Tokenizer tokenizer, TextOptions options) {
        List<TextSource> sources =
                files.stream().map(file -> source(file, options)).toList();
        return new TextDataset(TextSource.Several.of(sources), tokenizer, options);
    }

    private static TextSource source(Path file, TextOptions options) {
        if (!FilePatterns.holdsRecords(file)) {
            return TextFile.open(file, options.documentSeparator());
        }
        String field = options.textField();
        RecordSource records = RecordFiles.open(
                List.of(file.toString()),
                ReadOptions.defaults(),
                record -> RecordFields.requiredString(record, field),
                BadRecords.refused());
        return new TextSource.Records(records, field);
    }

    /**
     * Documents that are already in memory.
     *
     * @param documents one text each
     * @param tokenizer must stay open as long as samples are made
     * @param options length of the blocks and what goes between documents
     * @return the samples
     * @throws UserErrorException when they hold no text
     */
    public static TextDataset of(List<String> documents, Tokenizer tokenizer, TextOptions options) {
        if (documents.isEmpty()) {
            throw new UserErrorException("the dataset is empty, expected at least one document");
        }
        return new TextDataset(new TextSource.Strings(List.copyOf(documents)), tokenizer, options);
    }

    @Override
    public int size() {
        return blockLengths.length();
    }

    @Override
    public OptionalInt commonLength() {
        return OptionalInt.of(blockSize);
    }

    /** {@return the number of tokens in all documents, special tokens included} */
    public long tokens() {
        return pieceStarts[pieceStarts.length - 1];
    }

    @Override
    public Sample get(int index) {
        long from = blockStarts.get(index);
        int[] ids = new int[blockLengths.get(index)];
        int filled = 0;
        for (int piece = pieceAt(from); filled < ids.length; piece++) {
            int[] tokens = tokens(piece);
            int skip = (int) (from + filled - pieceStarts[piece]);
            int count = Math.min(tokens.length - skip, ids.length - filled);
            System.arraycopy(tokens, skip, ids, filled, count);
            filled += count;
        }
        return new Sample(ids, ids.clone());
    }

    @Override
    public String location(int index) {
        return source.location(pieceAt(blockStarts.get(index)));
    }

    private int pieceAt(long position) {
        int found = Arrays.binarySearch(pieceStarts, position);
        if (found < 0) {
            return -found - 2;
        }
        // Pieces without tokens share their start with the next one.
        while (pieceStarts[found + 1] == position) {
            found++;
        }
        return found;
    }

    private long[] countTokens() {
        long[] starts = new long[source.pieces() + 1];
        for (int piece = 0; piece < source.pieces(); piece++) {
            starts[piece + 1] = starts[piece] + tokens(piece).length;
        }
        return starts;
    }

    private int[] tokens(int piece) {
        int[] tokens = cache.getIfPresent(piece);
        if (tokens == null) {
            tokens = pieces.apply(piece);
            cache.put(piece, tokens);
        }
        return tokens;
    }

    private int[] tokenize(int piece) {
        int[] text = encode(source.text(piece), source.opensDocument(piece), source.closesDocument(piece));
        boolean opens = source.opensDocument(piece) && !startsWith(text, bos);
        boolean closes = source.closesDocument(piece) && !endsWith(text, eos);
        if (text.length == 0 && source.opensDocument(piece) && source.closesDocument(piece)) {
            return text; // an empty document is none
        }
        int before = opens ? bos.length : 0;
        int[] tokens = new int[before + text.length + (closes ? eos.length : 0)];
        System.arraycopy(bos, 0, tokens, 0, before);
        System.arraycopy(text, 0, tokens, before, text.length);
        if (closes) {
            System.arraycopy(eos, 0, tokens, before + text.length, eos.length);
        }
        return tokens;
    }

    /**
     * The tokens that a piece has inside its document. What many tokenizers put before the first word of a text is not
     * among them, and line breaks at its end are followed by a word.
     */
    private int[] encode(String text, boolean first, boolean last) {
        boolean between = !last && text.endsWith("\n");
        if (first && !between) {
            return tokenizer.encode(text, false);
        }
        int[] lineBreak = tokenizer.encode("\n", false);
        int[] wordAfterBreak = tokenizer.encode("\na", false);
        int[] before = first ? new int[0] : lineBreak;
        int[] after =
                between ? Arrays.copyOfRange(wordAfterBreak, lineBreak.length, wordAfterBreak.length) : new int[0];
        int[] ids = tokenizer.encode((first ? "" : "\n") + text + (between ? "a" : ""), false);
        boolean separable = startsWith(ids, before) && endsWith(ids, after);
        return separable
                ? Arrays.copyOfRange(ids, before.length, ids.length - after.length)
                : tokenizer.encode(text, false);
    }

    /** Blocks over {@code [from, to)}; the last one may be shorter, but a single token has nothing to predict. */
    private static void cut(
            long from, long to, int blockSize, ImmutableLongArray.Builder starts, ImmutableIntArray.Builder lengths) {
        for (long start = from; to - start >= 2; start += blockSize) {
            starts.add(start);
            lengths.add((int) Math.min(blockSize, to - start));
        }
    }

    private static int[] bos(Tokenizer tokenizer, TextOptions options) {
        if (options.bos() == null) {
            return tokenizer.leadingSpecialTokens();
        }
        return options.bos() ? new int[] {required(tokenizer.bosTokenId().orElse(-1), "beginning", "bos")} : new int[0];
    }

    private static int[] eos(Tokenizer tokenizer, TextOptions options) {
        if (options.eos() == null) {
            return tokenizer.eosTokenId().stream().toArray();
        }
        return options.eos() ? new int[] {required(tokenizer.eosTokenId().orElse(-1), "end", "eos")} : new int[0];
    }

    private static int required(int id, String place, String name) {
        if (id < 0) {
            throw new UserErrorException("the tokenizer has no " + place + "-of-sequence token; name one as '" + name
                    + "_token' in tokenizer_config.json");
        }
        return id;
    }

    private static boolean startsWith(int[] ids, int[] part) {
        return ids.length >= part.length && Arrays.equals(ids, 0, part.length, part, 0, part.length);
    }

    private static boolean endsWith(int[] ids, int[] part) {
        int from = ids.length - part.length;
        return from >= 0 && Arrays.equals(ids, from, ids.length, part, 0, part.length);
    }
}
