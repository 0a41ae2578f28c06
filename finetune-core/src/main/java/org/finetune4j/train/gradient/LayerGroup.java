package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.SegmentChain;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Consecutive layers that are kept, or computed again, together, for one forward and one backward pass. */
final class LayerGroup {

    /**
     * One layer's part of the graph: its input as a leaf, its output, and what its routers add to the loss.
     *
     * @param extras outputs beside the hidden states, each back-propagated with the gradient of the balance of experts
     */
    private record Segment(DecoderLayer layer, Tensor input, Tensor output, List<Tensor> extras) {}

    private final SegmentChain chain;
    private final List<DecoderLayer> layers;
    private final boolean inputNeedsGradient;
    private final boolean recorded;
    private final boolean checkpointed;
    private final @Nullable LoadBalancingLoss balance;
    private final List<Segment> segments = new ArrayList<>();
    private final @Nullable ActivationFiles files;
    private @Nullable Tensor keptInput;
    private ActivationFiles.@Nullable Stored storedInput;
    private Map<String, byte[]> randomState = Map.of();

    /**
     * @param chain the segments of this pass
     * @param inputNeedsGradient whether anything below these layers trains
     * @param recorded whether anything below or in these layers trains
     * @param checkpointed whether only the group's input is kept for the backward pass
     * @param balance the extra loss of a mixture of experts, or null
     * @param files where a checkpointed group's input goes meanwhile, or null to keep it in memory
     */
    LayerGroup(
            SegmentChain chain,
            List<DecoderLayer> layers,
            boolean inputNeedsGradient,
            boolean recorded,
            boolean checkpointed,
            @Nullable LoadBalancingLoss balance,
            @Nullable ActivationFiles files) {
        this.files = files;
        this.chain = chain;
        this.balance = balance;
        this.layers = layers;
        this.inputNeedsGradient = inputNeedsGradient;
        this.recorded = recorded;
        this.checkpointed = checkpointed;
    }

    /** Takes over {@code input} and gives the group's output, cut off from the graph. */
    Tensor forward(Tensor input, SequenceContext context) {
        if (recorded && !checkpointed) {
            return record(input, context);
        }
        if (recorded) {
            randomState = RandomGenerator.current().state();
            if (files == null) {
                keptInput = input;
            } else {
                storedInput = files.store(input);
            }
        }
        try (Autograd.Mode mode = Autograd.disabled()) {
            Tensor hidden = input;
            for (DecoderLayer layer : layers) {
                Tensor next = chain.forward(layer, hidden, context);
                if (hidden != keptInput) {
                    hidden.close();
                }
                hidden = next;
            }
            return hidden;
        }
    }

    private Tensor record(Tensor groupInput, SequenceContext context) {
        try (Autograd.Mode mode = Autograd.enabled()) {
            Tensor hidden = groupInput;
            boolean needsGradient = inputNeedsGradient;
            for (DecoderLayer layer : layers) {
                if (needsGradient) {
                    hidden.requiresGrad(true);
                }
                Tensor output = chain.forward(layer, hidden, context);
                segments.add(new Segment(layer, hidden, output, balance == null ? List.of() : balance.takePending()));
                needsGradient |= output.requiresGrad();
                hidden = output.detach();
            }
            return hidden;
        }
    }

    /**
     * Takes over the gradient of the group's output and adds the gradients of its parameters to their own.
     *
     * @param extraGradient the gradient of every extra output, or null where there are none
     * @return the gradient of the group's input, or null when nothing below the group trains
     */
    @Nullable
    Tensor backward(Tensor outputGradient, @Nullable Tensor extraGradient, SequenceContext context) {
        if (!recorded) {
            outputGradient.close();
            return null;
        }
        Tensor kept = storedInput == null ? keptInput : storedInput.load();
        if (kept != null) {
            recompute(kept, context);
        }
        Tensor gradient = outputGradient;
        for (int i = segments.size() - 1; i >= 0; i--) {
            Segment segment = segments.get(i);
            if (gradient != null && segment.output.requiresGrad()) {
                Tensor arrived = gradient;
                chain.backward(segment.layer, () -> backward(segment, arrived, extraGradient));
                gradient.close();
                gradient = segment.input.grad();
            }
            segment.output.close();
            segment.input.close();
            segment.extras.forEach(Tensor::close);
        }
        segments.clear();
        if (storedInput != null) {
            storedInput.close();
        }
        return inputNeedsGradient ? gradient : null;
    }

    private static void backward(Segment segment, Tensor gradient, @Nullable Tensor extraGradient) {
        if (extraGradient == null || segment.extras.isEmpty()) {
            Autograd.backward(segment.output, gradient);
            return;
        }
        List<Tensor> outputs = new ArrayList<>(segment.extras);
        List<Tensor> gradients = new ArrayList<>(Collections.nCopies(outputs.size(), extraGradient));
        outputs.add(segment.output);
        gradients.add(gradient);
        Autograd.backward(outputs.toArray(Tensor[]::new), gradients.toArray(Tensor[]::new));
    }

    /** Runs the group again, recording, with the random numbers of the first time. */
    private void recompute(Tensor input, SequenceContext context) {
        RandomGenerator random = RandomGenerator.current();
        Map<String, byte[]> after = random.state();
        random.restore(randomState);
        record(input, context).close();
        random.restore(after);
    }
}
