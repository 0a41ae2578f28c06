package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.ModelSegments;
import org.finetune4j.model.Segment.Gradients;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Residency;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Drives a model's chain of segments forwards and backwards. Every layer runs on an input that is cut off from what made
 * it: a layer's memory is free as soon as its backward pass is done, a layer can be computed again instead of kept, and
 * layers below the first one that trains are never recorded.
 */
public final class Backpropagation {

    private final CausalLM model;
    private final GradientCheckpointing checkpointing;
    private final Dropout dropout;
    private final EmbeddingNoise noise;
    private final List<Residency> residencies;
    private final SegmentFactory factory;
    private final @Nullable ExpertCounts experts;
    private final RandomGenerator draws = RandomGenerator.of(0); // begins anew for everything that has a seed

    /**
     * Back-propagates through a model segment by segment.
     *
     * @param model whose trainable parameters get gradients
     * @param checkpointing which activations are kept
     * @throws UserErrorException when the model calculates in float16, whose small gradients vanish
     */
    public Backpropagation(CausalLM model, GradientCheckpointing checkpointing) {
        this(model, checkpointing, Dropout.ON, EmbeddingNoise.none(), List.of(), SegmentFactory.installed(), null);
        requireGradientRange(model.computeDType());
    }

    /** Gradients in float16 need a scaled loss, which is not implemented; on a CPU calculation is in float32 anyway. */
    static void requireGradientRange(DType computeDType) {
        if (computeDType == DType.FLOAT16) {
            throw new UserErrorException("the model calculates in float16, in which small gradients become zero:"
                    + " load it with dtype bfloat16 or float32 to train it");
        }
    }

    private Backpropagation(
            CausalLM model,
            GradientCheckpointing checkpointing,
            Dropout dropout,
            EmbeddingNoise noise,
            List<Residency> residencies,
            SegmentFactory factory,
            @Nullable ExpertCounts experts) {
        this.model = model;
        this.checkpointing = checkpointing;
        this.dropout = dropout;
        this.noise = noise;
        this.residencies = residencies;
        this.factory = factory;
        this.experts = experts;
    }

    /** {@return the same without dropout, whatever the model's configuration asks for} */
    public Backpropagation withoutDropout() {
        return new Backpropagation(model, checkpointing, Dropout.OFF, noise, residencies, factory, experts);
    }

    /**
     * {@return the same with noise on the embeddings in {@link #run}}
     *
     * @param embeddingNoise added in training only
     */
    public Backpropagation with(EmbeddingNoise embeddingNoise) {
        return new Backpropagation(model, checkpointing, dropout, embeddingNoise, residencies, factory, experts);
    }

    /**
     * The same with something more to be done around every segment, inside of what is done already.
     *
     * @param residency is called for the embedding, every layer and the head
     * @return another one
     */
    public Backpropagation with(Residency residency) {
        return with(List.of(residency));
    }

    /**
     * The same with more to be done around every segment, inside of what is done already.
     *
     * @param further are called for the embedding, every layer and the head, the first one outermost
     * @return another one
     */
    public Backpropagation with(List<Residency> further) {
        List<Residency> all = new ArrayList<>(residencies);
        all.addAll(further);
        return new Backpropagation(model, checkpointing, dropout, noise, List.copyOf(all), factory, experts);
    }

    /**
     * The same with another way to run layers.
     *
     * @param segments chooses it in the place of what is installed
     * @return another one
     */
    public Backpropagation with(SegmentFactory segments) {
        return new Backpropagation(model, checkpointing, dropout, noise, residencies, segments, experts);
    }

    /**
     * The same with the tokens counted that routers send to each expert.
     *
     * @param counts is told of every batch that is run forwards and backwards
     * @return another one
     */
    public Backpropagation with(ExpertCounts counts) {
        return new Backpropagation(model, checkpointing, dropout, noise, residencies, factory, counts);
    }

    /**
     * Runs a batch forwards and backwards and adds the gradients to the parameters' own.
     *
     * @param inputs one batch
     * @param head computes the loss
     * @return the loss as the head scales it, with the extra loss of a mixture of experts where the configuration asks for
     *     one ({@code output_router_logits})
     */
    public double run(ModelInputs inputs, LossHead head) {
        return run(inputs, head, BatchPart.WHOLE);
    }

    /**
     * Runs a part of a batch forwards and backwards and adds the gradients to the parameters' own.
     *
     * @param inputs the part
     * @param head computes its loss
     * @param part which part it is
     * @return the loss as the head scales it, with this part's share of the extra loss of a mixture of experts
     */
    public double run(ModelInputs inputs, LossHead head, BatchPart part) {
        try (MicroBatches batches = microBatches();
                TensorScope scope = TensorScope.open();
                MicroBatch batch = batches.start(inputs, head, part);
                SegmentOutput loss = batch.forward(0, batch.segments(), batch.tokens(), Gradients.OF_PARAMETERS)) {
            loss.backward(null);
            batch.finish();
            return loss.tensor().item() + batch.extraLoss();
        }
    }

    /**
     * Runs batches over ranges of segments, forwards and backwards at different times: several of them can be on their way
     * at once, as in the stages of a pipeline.
     *
     * @return to be closed by the same thread when all have gone back
     */
    public MicroBatches microBatches() {
        return new MicroBatches(model, checkpointing, dropout, noise, residencies, factory, experts, draws);
    }

    /**
     * Runs a batch forwards only, without dropout and without extra losses.
     *
     * @param inputs one batch
     * @param head computes the loss
     * @return the loss as the head scales it
     */
    public double evaluate(ModelInputs inputs, LossHead head) {
        try (CausalLM.Entry entry = model.enter();
                Autograd.Mode mode = Autograd.disabled();
                MatrixProducts.Mode products = MatrixProducts.by(MatrixProducts.Choice.MKL);
                ModelSegments segments = ModelSegments.of(model, residencies, factory);
                TensorScope scope = TensorScope.open()) {
            LossSegment loss = new LossSegment(head, inputs, model.network(), segments.residency());
            Tensor tokens = model.inputIds(inputs);
            return segments.chain(loss)
                    .forward(tokens, segments.prepared(inputs, model.context(inputs)), Gradients.NONE)
                    .tensor()
                    .item();
        }
    }
}
