package org.finetune4j.nn;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@code down(activation(gate(x)) * (up(x) + 1))} with biases, whose gate is at most {@code limit} and whose up projection lies
 * between {@code -limit} and {@code limit} (OpenAI 2025, arXiv:2508.10925). Both are one projection, {@code gate_up_proj}, of whose
 * features every other one is the gate's, beginning with the first; weights lie as [in, out].
 */
public final class ClampedFeedForward extends GatedBlock {

    private final Linear gateUp;
    private final Linear down;
    private final Activation activation;
    private final double limit;

    /**
     * Reads {@code gate_up_proj} and {@code down_proj}.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param inner size of the hidden states inside
     * @param activation applied to the gate
     * @param limit of what the first projection gives
     * @param init what a new model starts with
     */
    public ClampedFeedForward(
            Weights weights, long hidden, long inner, Activation activation, double limit, Initialization init) {
        this.gateUp = child("gate_up_proj", Linear.conv1d(weights.at("gate_up_proj"), hidden, 2 * inner, init));
        this.down = child("down_proj", Linear.conv1d(weights.at("down_proj"), inner, hidden, init));
        this.activation = activation;
        this.limit = limit;
    }

    @Override
    public List<Linear> gateAndUp() {
        return List.of(gateUp);
    }

    @Override
    public Linear down() {
        return down;
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        long inner = down.inFeatures();
        return Map.of(
                "gate_up_proj", DividedFeatures.outputs(Section.inner(inner, 2)),
                "down_proj", DividedFeatures.inputs(Section.inner(inner)));
    }

    @Override
    public Tensor forward(Tensor x, @Nullable SequenceContext context) {
        Tensor both = gateUp.forward(x, context); // [..., 2 * inner]
        int last = both.dim();
        long[] pairs = Arrays.copyOf(both.shape(), last + 1);
        pairs[last - 1] = both.size(-1) / 2;
        pairs[last] = 2;
        Tensor paired = both.view(pairs); // [..., inner, 2]
        Tensor gate = paired.select(last, 0).atMost(limit); // [..., inner]
        Tensor up = paired.select(last, 1).atMost(limit).atLeast(-limit);
        return down.forward(activation.apply(gate).mul(up.add(1)), context); // [..., hidden]
    }
}
