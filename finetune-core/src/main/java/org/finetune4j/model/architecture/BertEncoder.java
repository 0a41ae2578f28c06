package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Pooling;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * BERT's encoder (Devlin et al. 2019) below a classifier of sequences: words, positions and types of tokens are added and
 * normalised, tokens see each other in both directions, and the first token speaks for its sequence. A family says what
 * its parts are called and what its head is.
 */
abstract class BertEncoder extends DecoderModel {

    private final BertShape shape;
    private final Embedding words;
    private final Embedding positions;
    private final @Nullable Embedding types;
    private final LayerNorm embeddingNorm;
    private final @Nullable Linear projection;
    private final List<BertLayer> layers = new ArrayList<>();

    /**
     * @param prefix of the encoder's weights, {@code bert.}
     * @param layer what the name of a layer's weights begins with below it, {@code encoder.layer.}
     */
    BertEncoder(
            ModelConfig config, BertShape shape, Weights weights, String prefix, String layer, BertLayer.Names names) {
        this.shape = shape;
        this.words = child(
                prefix + "embeddings.word_embeddings",
                new Embedding(
                        weights.at(prefix + "embeddings.word_embeddings"),
                        shape.vocabulary(),
                        shape.embedded(),
                        shape.initialization(),
                        config.padTokenId()));
        this.positions = embedding(weights, prefix + "embeddings.position_embeddings", shape.maxPositions());
        this.types = shape.types() == 0
                ? null
                : embedding(weights, prefix + "embeddings.token_type_embeddings", shape.types());
        String norm = prefix + "embeddings.LayerNorm";
        this.embeddingNorm = child(norm, new LayerNorm(weights.at(norm), shape.embedded(), shape.epsilon()));
        this.projection = shape.embedded() == shape.hidden()
                ? null
                : linear(weights, prefix + "embeddings_project", shape.embedded(), shape.hidden());
        for (int i = 0; i < shape.layers(); i++) {
            String path = prefix + layer + i;
            layers.add(child(path, new BertLayer(shape, names, weights.at(path), i)));
        }
    }

    private Embedding embedding(Weights weights, String path, long count) {
        return child(path, new Embedding(weights.at(path), count, shape.embedded(), shape.initialization()));
    }

    /** A layer of the head or beside the embeddings, with a bias. */
    final Linear linear(Weights weights, String path, long in, long out) {
        return child(path, Linear.of(weights.at(path), in, out, true, shape.initialization()));
    }

    final BertShape shape() {
        return shape;
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        Tensor sum = allVectors(inputIds, context, computeDType); // [batch, virtual + seq, embedded]
        if (types != null) {
            sum = sum.add(typeVectors(types, context, sum.size(1), computeDType));
        }
        Tensor places = context.positionIds();
        if (shape.firstPosition() > 0) {
            places = places.add(shape.firstPosition());
        }
        Tensor normalised = embeddingNorm.forward(sum.add(positions.forward(places, computeDType)));
        Tensor dropped = context.dropout().apply(normalised, shape.dropout()); // [batch, virtual + seq, embedded]
        return projection == null ? dropped : projection.forward(dropped, context); // [batch, virtual + seq, hidden]
    }

    /** The vectors of the tokens' types, the first one's where none are given: [1, embedded] or [batch, length, embedded]. */
    private static Tensor typeVectors(Embedding types, SequenceContext context, long length, DType computeDType) {
        Tensor typeIds = context.tokenTypeIds(); // [batch, seq]
        if (typeIds == null) {
            return types.weight().as(computeDType).narrow(0, 0, 1); // [1, embedded]
        }
        long virtual = length - typeIds.size(1);
        Tensor all = virtual == 0
                ? typeIds
                : Tensors.cat(
                        List.of(Tensors.zeros(typeIds.dtype(), typeIds.device(), typeIds.size(0), virtual), typeIds),
                        1); // [batch, virtual + seq]
        return types.forward(all, computeDType);
    }

    @Override
    public final List<BertLayer> layers() {
        return layers;
    }

    /** The last layer has normalised already. */
    @Override
    public final Tensor finalNorm(Tensor hiddenStates, @Nullable SequenceContext context) {
        return hiddenStates;
    }

    @Override
    public final Embedding inputEmbedding() {
        return words;
    }

    @Override
    public final int tokenTypes() {
        return shape.types();
    }

    @Override
    public final Pooling pooling() {
        return Pooling.first();
    }

    @Override
    public final boolean scoresAreProducts() {
        return false;
    }

    @Override
    public final boolean isCausal() {
        return false;
    }

    @Override
    public final int maxPositions() {
        return shape.maxPositions() - shape.firstPosition();
    }
}
