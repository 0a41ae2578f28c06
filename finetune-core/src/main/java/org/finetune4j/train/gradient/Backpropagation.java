package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Drives a model's chain of segments forwards and backwards. Every layer runs on an input that is cut off from what made
 * it, so that libtorch's autograd sees one layer at a time: a layer's memory is free as soon as its backward pass is done,
 * a layer can be computed again instead of kept, and layers below the first one that trains are never recorded.
 */
public final class Backpropagation {

    private final CausalLM model;
    private final DecoderModel network;
    private final GradientCheckpointing checkpointing;
    private final boolean dropout;

    public Backpropagation(CausalLM model, GradientCheckpointing checkpointing) {
        this(model, checkpointing, true);
    }

    private Backpropagation(CausalLM model, GradientCheckpointing checkpointing, boolean dropout) {
        this.model = model;
        this.network = model.network();
        this.checkpointing = checkpointing;
        this.dropout = dropout;
    }

    /** The same without dropout, whatever the model's configuration asks for. */
    public Backpropagation withoutDropout() {
        return new Backpropagation(model, checkpointing, false);
    }

    /**
     * Runs a batch forwards and backwards and adds the gradients to the parameters' own.
     *
     * @return the loss as the head scales it
     */
    public double run(ModelInputs inputs, LossHead head) {
        try (Dropout.Mode mode = Dropout.mode(dropout);
                TensorScope scope = TensorScope.open()) {
            TrainedPrompt prompt = TrainedPrompt.of(model);
            SequenceContext context = model.context(inputs, prompt.prompt());
            Tensor inputIds = model.inputIds(inputs);
            boolean embeddingTrains = network.embeddingTrains() || prompt.trainsEmbeddings();
            Tensor embedded = embed(inputIds, context, embeddingTrains);
            List<LayerGroup> groups = groups(embeddingTrains, prompt.trainsLayers());
            Tensor hidden = embedded.detach();
            for (LayerGroup group : groups) {
                hidden = group.forward(hidden, context);
            }
            LossHead.Result result = head.apply(VirtualTokens.removed(hidden, inputs), true);
            Tensor gradient = VirtualTokens.restored(result.hiddenGradient(), hidden);
            hidden.close();
            for (int i = groups.size() - 1; i >= 0 && gradient != null; i--) {
                gradient = groups.get(i).backward(gradient, context);
            }
            if (embeddingTrains && gradient != null) {
                Autograd.backward(embedded, gradient);
            }
            prompt.backward();
            return result.loss();
        }
    }

    /** Runs a batch forwards only, without dropout. */
    public double evaluate(ModelInputs inputs, LossHead head) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            SequenceContext context = model.context(inputs);
            Tensor hidden = network.embed(model.inputIds(inputs), context, model.computeDType());
            for (DecoderLayer layer : network.layers()) {
                hidden = LayerGroup.forward(layer, hidden, context);
            }
            return head.apply(VirtualTokens.removed(hidden, inputs), false).loss();
        }
    }

    private Tensor embed(Tensor inputIds, SequenceContext context, boolean record) {
        try (Autograd.Mode mode = record ? Autograd.enabled() : Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            return scope.keep(network.embed(inputIds, context, model.computeDType()));
        }
    }

    /** @param promptTrains whether every layer reads something that trains, whatever its own parameters do */
    private List<LayerGroup> groups(boolean inputNeedsGradient, boolean promptTrains) {
        List<? extends DecoderLayer> layers = network.layers();
        int size = checkpointing.isOn() ? checkpointing.everyLayers() : 1;
        List<LayerGroup> groups = new ArrayList<>();
        boolean trainedBefore = inputNeedsGradient;
        for (int start = 0; start < layers.size(); start += size) {
            List<DecoderLayer> members = List.copyOf(layers.subList(start, Math.min(start + size, layers.size())));
            boolean trains = promptTrains || members.stream().anyMatch(DecoderLayer::isTrainable);
            groups.add(new LayerGroup(members, trainedBefore, trainedBefore || trains, checkpointing.isOn()));
            trainedBefore |= trains;
        }
        return groups;
    }
}
