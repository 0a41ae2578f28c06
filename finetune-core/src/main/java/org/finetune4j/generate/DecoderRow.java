package org.finetune4j.generate;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One sequence that a {@link BatchDecoder} reads: its tokens, and how many of them the cache has. */
final class DecoderRow {

    private final @Nullable RowAdapterChoice adapters;
    private TokenSequence tokens;
    private int read;
    private @Nullable Integer task;

    /** Where the keys and values are; the cache's own. */
    @Nullable
    RowBlock block;

    /** The number of the row's place in its block; the cache's own. */
    int slot;

    /** How many keys the cache has, those of virtual tokens among them; the cache's own. */
    int keys;

    /** How long the sequence was that the cached keys were rotated for, virtual tokens among them. */
    int rotatedLength;

    /** @param adapters which adapter the row uses, or null for what the model has */
    DecoderRow(TokenSequence tokens, @Nullable RowAdapterChoice adapters) {
        this.tokens = tokens;
        this.adapters = adapters;
    }

    TokenSequence tokens() {
        return tokens;
    }

    @Nullable
    RowAdapterChoice adapters() {
        return adapters;
    }

    /** Which task's virtual tokens it begins with, or null where nobody says. */
    @Nullable
    Integer task() {
        return task;
    }

    /** Begins with the virtual tokens of another task: what was read after those of the last one is read again. */
    void beginWith(@Nullable Integer newTask) {
        if (!Objects.equals(task, newTask)) {
            task = newTask;
            readAgain();
        }
    }

    /** How many of the tokens the cache has. */
    int read() {
        return read;
    }

    /** Whether there is nothing to read: the scores of the next token are known. */
    boolean isRead() {
        return read == tokens.length();
    }

    /** Says that the cache has the first {@code count} tokens, with so many keys. */
    void setRead(int count, int keys) {
        this.read = count;
        this.keys = keys;
    }

    /** Forgets what was read. */
    void readAgain() {
        setRead(0, 0);
    }

    /** Goes on with other tokens, of which the first {@code known} are those that were read. */
    void continueAs(TokenSequence other, int known) {
        int forgotten = read - known;
        this.tokens = other;
        setRead(known, known == 0 ? 0 : keys - forgotten);
    }
}
