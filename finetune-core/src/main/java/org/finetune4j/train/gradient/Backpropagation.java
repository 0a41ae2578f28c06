package org.finetune4j.train.gradient;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.SegmentChain;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Drives a model's chain of segments forwards and backwards. Every layer runs on an input that is cut off from what made
 * it, so that libtorch's autograd sees one layer at a time: a layer's memory is free as soon as its backward pass is done,
 * a layer can be computed again instead of kept, and layers below the first one that trains are never recorded.
 */
public final class Backpropagation {

    private final CausalLM model;
    private final DecoderModel network;
    private final GradientCheckpointing checkpointing;
    private final Dropout dropout;
    private final EmbeddingNoise noise;
    private final Residency residency;

    /**
     * Back-propagates through a model segment by segment.
     *
     * @param model whose trainable parameters get gradients
     * @param checkpointing which activations are kept
     * @throws UserErrorException when the model calculates in float16, whose small gradients vanish
     */
    public Backpropagation(CausalLM model, GradientCheckpointing checkpointing) {
        this(model, checkpointing, Dropout.ON, EmbeddingNoise.none(), new Residency() {});
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
            Residency residency) {
        this.model = model;
        this.network = model.network();
        this.checkpointing = checkpointing;
        this.dropout = dropout;
        this.noise = noise;
        this.residency = residency;
    }

    /** {@return the same without dropout, whatever the model's configuration asks for} */
    public Backpropagation withoutDropout() {
        return new Backpropagation(model, checkpointing, Dropout.OFF, noise, residency);
    }

    /**
     * {@return the same with noise on the embeddings in {@link #run}}
     *
     * @param embeddingNoise added in training only
     */
    public Backpropagation with(EmbeddingNoise embeddingNoise) {
        return new Backpropagation(model, checkpointing, dropout, embeddingNoise, residency);
    }

    /**
     * The same with something to be done around every segment.
     *
     * @param around is called for the embedding, every layer and the output layer
     * @return another one
     */
    public Backpropagation with(Residency around) {
        return new Backpropagation(model, checkpointing, dropout, noise, around);
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
        Path offload = checkpointing.offloadDirectory();
        try (CausalLM.Entry entry = model.enter();
                ActivationFiles files = offload == null ? null : new ActivationFiles(offload);
                SegmentChain chain = SegmentChain.of(model, residency);
                TensorScope scope = TensorScope.open()) {
            TrainedPrompt prompt = TrainedPrompt.of(model, dropout);
            LoadBalancingLoss balance = balance(inputs, prompt);
            SequenceContext plain = model.context(inputs, prompt.prompt()).withDropout(dropout);
            SequenceContext context = balance == null ? plain : plain.withRouterListener(balance);
            Tensor inputIds = model.inputIds(inputs);
            boolean embeddingTrains = network.embeddingTrains() || prompt.trainsEmbeddings();
            Tensor embedded = embed(chain, inputIds, context, embeddingTrains);
            List<LayerGroup> groups = groups(chain, embeddingTrains, prompt.trainsLayers(), balance, files);
            // The noise is added, so the gradient passes it unchanged.
            Tensor hidden = noise.addTo(embedded.detach());
            for (LayerGroup group : groups) {
                hidden = group.forward(hidden, context);
            }
            Tensor labelled = VirtualTokens.removed(hidden, inputs);
            LossHead.Result result = chain.head(() -> head.apply(labelled, context, true));
            Tensor gradient = VirtualTokens.restored(result.hiddenGradient(), hidden);
            hidden.close();
            Tensor extraGradient = balance == null ? null : balance.gradient(head.share());
            for (int i = groups.size() - 1; i >= 0 && gradient != null; i--) {
                gradient = groups.get(i).backward(gradient, extraGradient, context);
            }
            if (embeddingTrains && gradient != null) {
                Tensor arrived = gradient;
                chain.backward(network.inputEmbedding(), () -> Autograd.backward(embedded, arrived));
            }
            prompt.backward();
            return balance == null ? result.loss() : result.loss() + head.share() * balance.weighted();
        }
    }

    /** The extra loss of a mixture of experts, where the configuration asks for it. */
    private @Nullable LoadBalancingLoss balance(ModelInputs inputs, TrainedPrompt prompt) {
        LoadBalancing settings = network.loadBalancing();
        return settings == null || !settings.inLoss() || settings.coefficient() == 0
                ? null
                : new LoadBalancingLoss(settings, prompt.routed(inputs), model.device());
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
                MatrixProducts.Mode products = MatrixProducts.ofShapes(false);
                SegmentChain chain = SegmentChain.of(model, residency);
                TensorScope scope = TensorScope.open()) {
            SequenceContext context = model.context(inputs);
            Tensor hidden = VirtualTokens.removed(chain.forward(inputs, context), inputs);
            return chain.head(() -> head.apply(hidden, context, false)).loss();
        }
    }

    private static Tensor embed(SegmentChain chain, Tensor inputIds, SequenceContext context, boolean record) {
        try (Autograd.Mode mode = record ? Autograd.enabled() : Autograd.disabled()) {
            return chain.embed(inputIds, context);
        }
    }

    /** @param promptTrains whether every layer reads something that trains, whatever its own parameters do */
    private List<LayerGroup> groups(
            SegmentChain chain,
            boolean inputNeedsGradient,
            boolean promptTrains,
            @Nullable LoadBalancingLoss balance,
            @Nullable ActivationFiles files) {
        List<? extends DecoderLayer> layers = network.layers();
        int size = checkpointing.isOn() ? checkpointing.everyLayers() : 1;
        List<LayerGroup> groups = new ArrayList<>();
        boolean trainedBefore = inputNeedsGradient;
        for (int start = 0; start < layers.size(); start += size) {
            List<DecoderLayer> members = List.copyOf(layers.subList(start, Math.min(start + size, layers.size())));
            boolean trains = promptTrains || members.stream().anyMatch(DecoderLayer::isTrainable);
            groups.add(new LayerGroup(
                    chain, members, trainedBefore, trainedBefore || trains, checkpointing.isOn(), balance, files));
            trainedBefore |= trains;
        }
        return groups;
    }
}
