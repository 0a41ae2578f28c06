package org.finetune4j.model.architecture;

import java.util.Map;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DividedFeatures;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;

/** Attention, then a feed-forward block, each normalised after it has joined the stream. */
final class BertLayer extends DecoderLayer {

    private final BertShape shape;
    private final Names names;
    private final int index;
    private final Linear query;
    private final Linear key;
    private final Linear value;
    private final Linear attentionOutput;
    private final LayerNorm attentionNorm;
    private final Linear up;
    private final Linear down;
    private final LayerNorm outputNorm;

    BertLayer(BertShape shape, Names names, Weights weights, int index) {
        this.shape = shape;
        this.names = names;
        this.index = index;
        int hidden = shape.hidden();
        long heads = (long) shape.attention().heads() * shape.attention().headDim();
        this.query = linear(weights, names.query, hidden, heads);
        this.key = linear(weights, names.key, hidden, heads);
        this.value = linear(weights, names.value, hidden, heads);
        this.attentionOutput = linear(weights, names.attentionOutput, heads, hidden);
        this.attentionNorm = norm(weights, names.attentionNorm);
        this.up = linear(weights, names.up, hidden, shape.inner());
        this.down = linear(weights, names.down, shape.inner(), hidden);
        this.outputNorm = norm(weights, names.outputNorm);
    }

    private Linear linear(Weights weights, String name, long in, long out) {
        return child(name, Linear.of(weights.at(name), in, out, true, shape.initialization()));
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
        Section queries = Section.queries(shape.attention());
        Section keys = Section.keys(shape.attention());
        Section inner = Section.inner(shape.inner());
        return Map.of(
                names.query, DividedFeatures.outputs(queries),
                names.key, DividedFeatures.outputs(keys),
                names.value, DividedFeatures.outputs(keys),
                names.attentionOutput, DividedFeatures.inputs(queries),
                names.up, DividedFeatures.outputs(inner),
                names.down, DividedFeatures.inputs(inner));
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor attention = shape.attention()
                .forward(
                        query.forward(hiddenStates, context),
                        key.forward(hiddenStates, context),
                        value.forward(hiddenStates, context),
                        index,
                        context);
        Tensor output =
                context.dropout().apply(attentionOutput.forward(attention, context), shape.dropoutAfterAttention());
        Tensor attended = normAfter(Block.ATTENTION, join(Block.ATTENTION, hiddenStates, output, context));
        Tensor inner = shape.activation().apply(up.forward(attended, context)); // [batch, seq, inner]
        Tensor fed = context.dropout().apply(down.forward(inner, context), shape.dropout());
        return normAfter(Block.FEED_FORWARD, join(Block.FEED_FORWARD, attended, fed, context));
    }

    @Override
    public Tensor normAfter(Block block, Tensor stream) {
        return (block == Block.ATTENTION ? attentionNorm : outputNorm).forward(stream);
    }

    /** What a family calls the parts of a layer. */
    record Names(
            String query,
            String key,
            String value,
            String attentionOutput,
            String attentionNorm,
            String up,
            String down,
            String outputNorm) {

        /** The names of BERT and most of those that came after it. */
        static final Names BERT = new Names(
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
                "attention.output.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm");
    }
}
