package org.finetune4j.model;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.SecondPassCache;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.TokenScales;
import org.finetune4j.nn.TokenScaling;
import org.finetune4j.nn.WeightBuffers;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * A model's embedding and layers as segments, each run with what it needs in place, for the passes of one thread. They have
 * buffers of their own for compressed weights, which several batches may use in turn.
 */
public final class ModelSegments implements AutoCloseable {

    private final CausalLM model;
    private final WeightBuffers buffers;
    private final Residency residency;
    private final Segment embedding;
    private final List<Segment> layers = new ArrayList<>();

    private ModelSegments(CausalLM model, List<Residency> residencies, SegmentFactory factory) {
        DecoderModel network = model.network();
        this.model = model;
        this.buffers = network.weightBuffers().take();
        List<Residency> nested = new ArrayList<>(model.residencies());
        nested.addAll(residencies);
        nested.add(buffers);
        this.residency = Residency.of(nested);
        this.embedding = new ResidentSegment(
                new TableSegment(network, model.computeDType()), network.embeddingPart(), residency);
        for (DecoderLayer layer : network.layers()) {
            // Other ways to run a layer do not know that its outputs are summands.
            Segment segment = network.isDivided()
                    ? AutogradSegment.layer(layer)
                    : factory.segment(layer).orElseGet(() -> AutogradSegment.layer(layer));
            layers.add(new ResidentSegment(segment, layer, residency));
        }
    }

    /**
     * The segments of a model.
     *
     * @param model the model
     * @return to be closed at the end of the passes
     */
    public static ModelSegments of(CausalLM model) {
        return of(model, List.of(), SegmentFactory.installed());
    }

    /**
     * The segments of a model, with more to be done around each.
     *
     * @param model the model, whose own residencies come first
     * @param residencies are called around every segment, the first one outermost
     * @param factory chooses how layers run
     * @return to be closed at the end of the passes
     */
    public static ModelSegments of(CausalLM model, List<Residency> residencies, SegmentFactory factory) {
        return new ModelSegments(model, residencies, factory);
    }

    /** {@return from token ids to the first hidden states} */
    public Segment embedding() {
        return embedding;
    }

    /** {@return one for each layer} */
    public List<Segment> layers() {
        return List.copyOf(layers);
    }

    /** {@return what is called around every segment, for whoever makes a head} */
    public Residency residency() {
        return residency;
    }

    /**
     * The final norm of states that nobody goes back from.
     *
     * @param hiddenStates [batch, virtual + seq, hidden], what the last layer gave
     * @param context what is known about the batch
     * @return of the same shape
     */
    public Tensor finalNorm(Tensor hiddenStates, SequenceContext context) {
        DecoderModel network = model.network();
        return residency.forward(network.headPart(), () -> network.finalNorm(hiddenStates, context));
    }

    /**
     * What the layers need to know about a batch that goes through these segments.
     *
     * @param context of the batch
     * @return the same, with these segments' buffers
     */
    public SequenceContext context(SequenceContext context) {
        return context.withWeightBuffers(buffers);
    }

    /**
     * The first pass of a batch where the model's method looks at one (see {@link TokenScaling}), which is not recorded, and what the
     * method makes of it, which is where autograd is on.
     *
     * @param inputs the tokens
     * @param context what the layers need to know about them, with these segments' buffers
     * @return [batch, seq, ...], which belongs to the open scope, or null where no method asks
     */
    public @Nullable Tensor firstPass(ModelInputs inputs, SequenceContext context) {
        TokenScaling scaling = model.tokenScaling();
        return scaling == null ? null : scaling.of(firstStates(scaling, inputs, context), context.dropout());
    }

    private Tensor firstStates(TokenScaling scaling, ModelInputs inputs, SequenceContext context) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor before =
                    scaling.before(inputs.batchSize(), inputs.sequenceLength(), model.computeDType(), model.device());
            SequenceContext first = context.withTokenScales(new TokenScales(before));
            Tensor hidden = chain().forward(model.inputIds(inputs), first, Segment.Gradients.NONE)
                    .tensor();
            return scope.keep(finalNorm(hidden, first)); // [batch, seq, hidden]
        }
    }

    /**
     * The context of the second pass.
     *
     * @param context of the first
     * @param scales what {@link #firstPass} gave, or leaves of the same values; null where there was none
     * @return the context, {@code context} itself where there was no first pass
     */
    public SequenceContext secondPass(SequenceContext context, @Nullable Tensor scales) {
        if (scales == null) {
            return context;
        }
        KeyValueCache cache = context.cache();
        SequenceContext scaled = context.withTokenScales(new TokenScales(scales));
        return cache == null ? scaled : scaled.withCache(new SecondPassCache(cache, layers.size()));
    }

    /**
     * What the layers need to know about a batch that is about to run and is not recorded: where the model's method looks at a
     * first pass, that has been run.
     *
     * @param inputs the tokens
     * @param context of the batch
     * @return the same, with these segments' buffers; what was added belongs to the open scope
     */
    public SequenceContext prepared(ModelInputs inputs, SequenceContext context) {
        SequenceContext own = context(context);
        return secondPass(own, firstPass(inputs, own));
    }

    /**
     * Embedding and layers, with an end.
     *
     * @param ends what comes after the last layer, if anything does
     * @return the chain
     */
    public SegmentChain chain(Segment... ends) {
        List<Segment> all = new ArrayList<>(layers.size() + 1 + ends.length);
        all.add(embedding);
        all.addAll(layers);
        all.addAll(List.of(ends));
        return new SegmentChain(all);
    }

    /**
     * Runs embedding and layers and records nothing.
     *
     * @param inputs the tokens
     * @param context what the layers need to know about them
     * @param visitor sees every segment's output
     * @return [batch, virtual + seq, hidden], the output of the last layer, or of the segment after which the visitor ended it
     */
    public Tensor forward(ModelInputs inputs, SequenceContext context, SegmentChain.Visitor visitor) {
        return chain().forward(model.inputIds(inputs), prepared(inputs, context), Segment.Gradients.NONE, visitor)
                .tensor();
    }

    /**
     * Runs embedding and layers and records nothing.
     *
     * @param inputs the tokens
     * @param context what the layers need to know about them
     * @return [batch, virtual + seq, hidden], before the final norm
     */
    public Tensor forward(ModelInputs inputs, SequenceContext context) {
        return forward(inputs, context, (segment, output) -> true);
    }

    /** Ends the passes: gives the buffers back. */
    @Override
    public void close() {
        buffers.close();
    }
}
