package org.finetune4j.nn;

import java.util.Collection;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A table of vectors, one a row. */
public final class Embedding extends Module {

    private static final long NONE = -1;

    private final long paddingRow;
    private @Nullable EmbeddingExtension extension;
    private @Nullable VocabularyShard shard;

    /**
     * Reads {@code weight} [count, hidden].
     *
     * @param weights where the parameters come from, below this module's name
     * @param count number of rows
     * @param hidden size of the hidden states
     * @param initialization what a new model starts with
     */
    public Embedding(Weights weights, long count, long hidden, Initialization initialization) {
        this(weights, count, hidden, initialization, null);
    }

    /**
     * A table in which looking up the padding's row gives that row no gradient, as {@code padding_idx} of torch's embedding:
     * transformers builds most models so, and it matters where the padding's token is a real one too.
     *
     * @param weights where the parameters come from, below this module's name
     * @param count number of rows
     * @param hidden size of the hidden states
     * @param initialization what a new model starts with
     * @param paddingRow the row, or null for none
     */
    public Embedding(
            Weights weights, long count, long hidden, Initialization initialization, @Nullable Integer paddingRow) {
        parameter("weight", weights.parameter("weight", initialization, count, hidden));
        this.paddingRow = paddingRow == null ? NONE : paddingRow;
    }

    /**
     * Looks rows up and gives them in the type of calculation.
     *
     * @param ids int64 of any shape, within the table
     * @param computeDType the type of the calculation
     * @return [..., hidden]
     */
    public Tensor forward(Tensor ids, DType computeDType) {
        Tensor rows = shard == null ? lookUp(ids, paddingRow, computeDType) : lookUp(ids, shard, computeDType);
        EmbeddingExtension active = extension;
        return active == null ? rows : active.forward(ids, rows);
    }

    private Tensor lookUp(Tensor ids, long frozenRow, DType computeDType) {
        return Functional.embedding(weight().as(weight().dtype()), ids, frozenRow)
                .to(computeDType); // [..., hidden]
    }

    /** Every row comes from the process that has it; the others add nothing. */
    private Tensor lookUp(Tensor ids, VocabularyShard own, DType computeDType) {
        long padding = paddingRow - own.start();
        long frozenRow = paddingRow >= 0 && padding >= 0 && padding < own.length() ? padding : NONE;
        Tensor rows = lookUp(own.within(ids), frozenRow, computeDType);
        return own.region().leave(rows.mul(own.holds(ids).unsqueeze(-1).to(computeDType)));
    }

    /**
     * Lets this table be one process's rows of the checkpoint's.
     *
     * @param rows which ones
     */
    public void divide(VocabularyShard rows) {
        shard = rows;
    }

    /** {@return which rows of the checkpoint's table these are, or null for all} */
    public @Nullable VocabularyShard shard() {
        return shard;
    }

    /** {@return the table, [count, hidden]} */
    public Parameter weight() {
        return own("weight");
    }

    /**
     * The row that looking it up gives no gradient.
     *
     * @return its number, negative where there is none
     */
    public long paddingRow() {
        return paddingRow;
    }

    /** {@return the number of rows, those of other processes included} */
    public long count() {
        return shard == null ? weight().size(0) : shard.whole();
    }

    /** {@return what a method added to this table, or null} */
    public @Nullable EmbeddingExtension extension() {
        return extension;
    }

    /**
     * Adds a method to this table. There is place for one.
     *
     * @param newExtension the method
     * @throws UserErrorException when another one is there
     */
    public void extend(EmbeddingExtension newExtension) {
        if (extension != null) {
            throw new UserErrorException(
                    "this embedding already carries " + extension + ": disable that adapter before another");
        }
        extension = newExtension;
    }

    /** Takes the method off again. */
    public void removeExtension() {
        extension = null;
    }

    @Override
    protected Collection<Parameter> addedParameters() {
        return extension == null ? List.of() : extension.parameters();
    }
}
