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

    private @Nullable EmbeddingExtension extension;

    /** Reads {@code weight} [count, hidden]. */
    public Embedding(Weights weights, long count, long hidden, Initialization initialization) {
        parameter("weight", weights.parameter("weight", initialization, count, hidden));
    }

    /**
     * Looks rows up and gives them in the type of calculation.
     *
     * @param ids int64 of any shape, within the table
     * @return [..., hidden]
     */
    public Tensor forward(Tensor ids, DType computeDType) {
        Tensor rows = Functional.embedding(weight().value(), ids).to(computeDType); // [..., hidden]
        EmbeddingExtension active = extension;
        return active == null ? rows : active.forward(ids, rows);
    }

    public Parameter weight() {
        return own("weight");
    }

    /** The number of rows. */
    public long count() {
        return weight().value().size(0);
    }

    /** What a method added to this table, or null. */
    public @Nullable EmbeddingExtension extension() {
        return extension;
    }

    /**
     * Adds a method to this table. There is place for one.
     *
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
