package org.finetune4j.model.architecture;

import java.util.Map;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DividedFeatures;
import org.finetune4j.nn.DividedFeatures.Kind;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;

/** The layer of Falcon: one projection for queries, keys and values, blocks side by side or in turn. */
final class FalconLayer extends DecoderLayer {

    private static final PlainFeedForward.Names PROJECTIONS =
            new PlainFeedForward.Names("dense_h_to_4h", "dense_4h_to_h");

    private final FalconShape shape;
    private final int index;
    private final Linear queryKeyValue;
    private final Linear output;
    private final PlainFeedForward feedForward;
    private final LayerNorm attentionNorm;
    private final LayerNorm feedForwardNorm;

    FalconLayer(FalconShape shape, Weights weights, int index) {
        this.shape = shape;
        this.index = index;
        Attention heads = shape.attention();
        long queries = (long) heads.heads() * heads.headDim();
        long all = queries + 2L * heads.kvHeads() * heads.headDim();
        Weights attention = weights.at("self_attention");
        this.queryKeyValue = child(
                "self_attention.query_key_value",
                Linear.of(
                        attention.at("query_key_value"), shape.hidden(), all, shape.bias(), shape.initialization()));
        this.output = child(
                "self_attention.dense",
                Linear.of(attention.at("dense"), queries, shape.hidden(), shape.bias(), shape.initialization()));
        this.feedForward = child(
                "mlp",
                new PlainFeedForward(
                        weights.at("mlp"),
                        PROJECTIONS,
                        shape.hidden(),
                        shape.inner(),
                        shape.bias(),
                        shape.activation(),
                        shape.initialization()));
        this.attentionNorm = norm(weights, shape.norms() == FalconShape.Norms.OWN ? "ln_attn" : "input_layernorm");
        this.feedForwardNorm =
                switch (shape.norms()) {
                    case SHARED -> attentionNorm;
                    case OWN -> norm(weights, "ln_mlp");
                    case IN_TURN -> norm(weights, "post_attention_layernorm");
                };
    }

    private LayerNorm norm(Weights weights, String name) {
        return child(name, new LayerNorm(weights.at(name), shape.hidden(), shape.epsilon()));
    }

    @Override
    public Attention attention() {
        return shape.attention();
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Attention heads = shape.attention();
        Section queries = Section.queries(heads);
        Section keys = Section.keys(heads);
        DividedFeatures projected =
                switch (shape.layout()) {
                    case STACKED -> DividedFeatures.outputs(queries, keys, keys);
                    case BY_HEAD ->
                        DividedFeatures.outputs(new Section(Kind.QUERY_HEADS, heads.heads(), 3L * heads.headDim()));
                    case BY_GROUP ->
                        DividedFeatures.outputs(
                                new Section(Kind.KEY_HEADS, heads.kvHeads(), (group() + 2) * heads.headDim()));
                };
        return Map.of(
                "self_attention.query_key_value", projected, "self_attention.dense", DividedFeatures.inputs(queries));
    }

    /** Queries that share a key. */
    private long group() {
        return shape.attention().heads() / shape.attention().kvHeads();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor normalised = attentionNorm.forward(hiddenStates, context);
        Tensor attended = join(Block.ATTENTION, hiddenStates, attend(normalised, context), context);
        Tensor input =
                switch (shape.norms()) {
                    case SHARED -> normalised;
                    case OWN -> feedForwardNorm.forward(hiddenStates, context);
                    case IN_TURN -> feedForwardNorm.forward(attended, context);
                };
        return join(Block.FEED_FORWARD, attended, feedForward.forward(input, context), context);
    }

    private Tensor attend(Tensor x, SequenceContext context) {
        Tensor all = queryKeyValue.forward(x, context); // [batch, seq, (heads + 2 * kvHeads) * headDim]
        // The keys and values of a group behind its queries: of the whole, of a head, of those that share a key.
        Tensor byGroup = all.view(
                all.size(0), all.size(1), shape.attention().kvHeads(), group() + 2, shape.attention().headDim());
        Tensor attended = shape.attention()
                .forward(
                        part(byGroup, 0, group()),
                        part(byGroup, group(), 1),
                        part(byGroup, group() + 1, 1),
                        index,
                        context);
        return output.forward(attended, context);
    }

    /** Some of each group: [batch, seq, kvHeads * count, headDim]. */
    private static Tensor part(Tensor byGroup, long from, long count) {
        return byGroup.narrow(3, from, count)
                .reshape(byGroup.size(0), byGroup.size(1), byGroup.size(2) * count, byGroup.size(4));
    }
}
