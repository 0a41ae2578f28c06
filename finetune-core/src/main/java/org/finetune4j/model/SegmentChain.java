package org.finetune4j.model;

import java.util.function.Supplier;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.WeightBuffers;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * A model's segments in their order, each run with what it needs in place. One loop serves generation, evaluation and those
 * who look into a model; training drives the same calls one by one, to go back through them.
 */
public final class SegmentChain implements AutoCloseable {

    private final CausalLM model;
    private final DecoderModel network;
    private final WeightBuffers buffers;
    private final Residency residency;

    private SegmentChain(CausalLM model, Residency residency) {
        this.model = model;
        this.network = model.network();
        this.buffers = network.weightBuffers().take();
        this.residency = residency.around(buffers);
    }

    /**
     * The segments for one pass.
     *
     * @param model the model
     * @return to be closed at the end of the pass
     */
    public static SegmentChain of(CausalLM model) {
        return new SegmentChain(model, new Residency() {});
    }

    /**
     * The segments for one pass, with more to be done around each.
     *
     * @param model the model
     * @param residency is called around every segment
     * @return to be closed at the end of the pass
     */
    public static SegmentChain of(CausalLM model, Residency residency) {
        return new SegmentChain(model, residency);
    }

    /** Sees what the segments give. */
    @FunctionalInterface
    public interface Visitor {

        /**
         * Told after each segment.
         *
         * @param segment the embedding or a layer
         * @param output [batch, seq, hidden], which is closed when the next segment has run
         * @return whether to go on
         */
        boolean after(Module segment, Tensor output);
    }

    /**
     * Runs the embedding and the layers.
     *
     * @param inputs the tokens
     * @param context what the layers need to know about them
     * @param visitor sees every segment's output
     * @return [batch, virtual + seq, hidden], the output of the last layer, or of the segment after which the visitor ended it
     */
    public Tensor forward(ModelInputs inputs, SequenceContext context, Visitor visitor) {
        Tensor hidden = embed(model.inputIds(inputs), context);
        boolean goesOn = visitor.after(network.inputEmbedding(), hidden);
        for (DecoderLayer layer : network.layers()) {
            if (!goesOn) {
                return hidden;
            }
            Tensor next = forward(layer, hidden, context);
            hidden.close();
            hidden = next;
            goesOn = visitor.after(layer, hidden);
        }
        return hidden;
    }

    /**
     * Runs the embedding and all layers.
     *
     * @param inputs the tokens
     * @param context what the layers need to know about them
     * @return [batch, virtual + seq, hidden], before the final norm
     */
    public Tensor forward(ModelInputs inputs, SequenceContext context) {
        return forward(inputs, context, (segment, output) -> true);
    }

    /**
     * Runs the embedding.
     *
     * @param inputIds [batch, seq] int64
     * @param context what the layers need to know about them
     * @return [batch, virtual + seq, hidden], which belongs to the caller's scope
     */
    public Tensor embed(Tensor inputIds, SequenceContext context) {
        return within(network.inputEmbedding(), () -> network.embed(inputIds, context, model.computeDType()));
    }

    /**
     * Runs one layer; what it made on the way is freed unless autograd needs it.
     *
     * @param layer one of the model's
     * @param hiddenStates [batch, seq, hidden]
     * @param context what the layers need to know
     * @return [batch, seq, hidden], which belongs to the caller's scope
     */
    public Tensor forward(DecoderLayer layer, Tensor hiddenStates, SequenceContext context) {
        return within(layer, () -> layer.forward(hiddenStates, context.withWeightBuffers(buffers)));
    }

    private Tensor within(Module segment, Supplier<Tensor> work) {
        residency.beforeForward(segment);
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(work.get());
        } finally {
            residency.afterForward(segment);
        }
    }

    /**
     * Does something with the output layer, forwards or both ways.
     *
     * @param work what is done
     * @param <T> what it gives
     * @return what it gives
     */
    public <T> T head(Supplier<T> work) {
        Linear head = network.outputLayer();
        residency.beforeForward(head);
        try {
            return work.get();
        } finally {
            residency.afterForward(head);
        }
    }

    /**
     * Calculates the gradients of a segment.
     *
     * @param segment that has run forwards in this pass
     * @param work runs autograd
     */
    public void backward(Module segment, Runnable work) {
        residency.beforeBackward(segment);
        try {
            work.run();
        } finally {
            residency.afterBackward(segment);
        }
    }

    /** Ends the pass. */
    @Override
    public void close() {
        buffers.close();
    }
}
