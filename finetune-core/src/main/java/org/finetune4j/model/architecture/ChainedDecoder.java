package org.finetune4j.model.architecture;

import java.util.List;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.Pooling;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Decoders of one table of tokens, layers, one norm and a head: each part stands in its place of the chain. */
abstract class ChainedDecoder extends DecoderModel {

    /** The parts, each registered by the model itself. */
    record Chain(Embedding embedding, List<? extends DecoderLayer> layers, Norm norm, OutputHead head) {}

    /** {@return the parts, the same ones every time} */
    abstract Chain chain();

    @Override
    public final List<? extends DecoderLayer> layers() {
        return chain().layers();
    }

    @Override
    public final Tensor finalNorm(Tensor hiddenStates, @Nullable SequenceContext context) {
        return chain().norm().forward(hiddenStates, context);
    }

    @Override
    public final Embedding inputEmbedding() {
        return chain().embedding();
    }

    @Override
    protected final List<Module> headModules() {
        return List.of(chain().norm(), outputLayer());
    }

    @Override
    public final Linear outputLayer() {
        return chain().head().layer();
    }

    @Override
    public final @Nullable Pooling pooling() {
        return chain().head().pooling();
    }
}
