package org.finetune4j.nn;

import java.util.Collection;
import org.finetune4j.tensor.Tensor;

/** What a method adds where the output of a decoder layer's block joins the residual stream. */
public interface BlockExtension {

    /**
     * Joins a block's output to the stream; without an extension this is {@code residual + output}.
     *
     * @param residual [batch, seq, hidden], the stream that entered the block, before its norm
     * @param output [batch, seq, hidden], what the block made of it
     * @param context what the layers know about the batch
     * @return [batch, seq, hidden], the stream after the block
     */
    Tensor join(Tensor residual, Tensor output, SequenceContext context);

    /** {@return the parameters that the method adds} They belong to the method, not to the layer. */
    Collection<Parameter> parameters();
}
