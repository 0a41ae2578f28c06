package org.finetune4j.nn;

import java.util.Collection;
import org.finetune4j.tensor.Tensor;

/** What a parameter-efficient method adds to a {@link Linear} layer. */
public interface LinearExtension {

    /**
     * The extended layer's output. {@link Linear#project} gives the base layer's own.
     *
     * @param x [..., in]
     * @return [..., out]
     */
    Tensor forward(Linear base, Tensor x);

    /** The parameters that the method adds. They belong to the method, not to the layer. */
    Collection<Parameter> parameters();
}
