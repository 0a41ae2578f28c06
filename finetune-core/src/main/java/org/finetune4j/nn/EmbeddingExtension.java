package org.finetune4j.nn;

import java.util.Collection;
import org.finetune4j.tensor.Tensor;

/** What a parameter-efficient method adds to an {@link Embedding}. */
public interface EmbeddingExtension {

    /**
     * Changes what was looked up.
     *
     * @param ids int64 of any shape
     * @param rows [..., hidden], the base table's rows in the type of calculation; nobody else's
     * @return [..., hidden]
     */
    Tensor forward(Tensor ids, Tensor rows);

    /** {@return the parameters that the method adds} They belong to the method, not to the table. */
    Collection<Parameter> parameters();
}
