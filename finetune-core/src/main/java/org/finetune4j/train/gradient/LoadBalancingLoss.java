package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.RouterLoss;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The load-balancing loss of a mixture of experts (Fedus et al. 2022, equations 4 to 6), over all layers and real tokens at
 * once as transformers computes it: {@code experts * sum_e f_e p_e}, where f_e is how many times a token was sent to expert
 * e and p_e the mean probability that the routers gave it.
 *
 * <p>Layers are back-propagated one at a time, and this loss couples them only through f, which has no gradient. So each
 * layer's share is linear in the sum of its probabilities: that sum is an output of the layer's segment beside its hidden
 * states, and its gradient is known once all layers have run forwards.
 */
public final class LoadBalancingLoss implements RouterLoss, AutoCloseable {

    /** What one layer's router did with the real tokens. */
    private record Routed(float[] counts, float[] probabilitySums) {}

    private final LoadBalancing settings;
    private final Device device;
    private final Tensor tokenMask;
    private final int realTokens;
    private final Map<Integer, Routed> layers = new TreeMap<>();
    private final List<Tensor> pending = new ArrayList<>();
    private final double share;
    private @Nullable Tensor gradient;

    /**
     * For the routers of one batch; the mask belongs to the caller's scope.
     *
     * @param settings number of experts and coefficient
     * @param inputs the batch; padding does not count
     * @param device where the model is
     */
    public LoadBalancingLoss(LoadBalancing settings, ModelInputs inputs, Device device) {
        this(settings, inputs, device, 1);
    }

    /**
     * For the routers of a batch that is a part of an optimizer step.
     *
     * @param settings number of experts and coefficient
     * @param inputs the batch; padding does not count
     * @param device where the model is
     * @param share what the loss is multiplied by when it goes back
     */
    LoadBalancingLoss(LoadBalancing settings, ModelInputs inputs, Device device, double share) {
        this.settings = settings;
        this.device = device;
        this.share = share;
        byte[] mask = inputs.attentionMask();
        int real = 0;
        for (byte token : mask) {
            real += token;
        }
        this.realTokens = Math.max(1, real);
        this.tokenMask = Tensors.of(mask, 1, mask.length).to(DType.FLOAT32).to(device); // [1, tokens]
    }

    @Override
    public void routed(int layer, Tensor logits, Tensor probabilities, Tensor chosen) {
        Tensor sums = tokenMask.mm(probabilities).select(0, 0); // [experts]
        if (sums.requiresGrad()) {
            pending.add(sums.unscoped());
        }
        // A checkpointed layer that runs again chooses as it did before: what it did is known already.
        if (!layers.containsKey(layer)) {
            layers.put(layer, new Routed(counts(chosen), sums.detach().toFloatArray()));
        }
    }

    private float[] counts(Tensor chosen) {
        long perToken = chosen.size(1);
        Tensor ones = tokenMask.view(-1, 1).expand(-1, perToken).reshape(-1); // [tokens * perToken]
        return Tensors.zeros(DType.FLOAT32, device, settings.experts())
                .scatterAddInPlace(0, chosen.reshape(-1), ones)
                .toFloatArray();
    }

    /** The sums of probabilities, each [experts]. */
    @Override
    public List<Tensor> takeOutputs() {
        List<Tensor> taken = List.copyOf(pending);
        pending.clear();
        return taken;
    }

    /** {@return the loss over all layers that have run, without its coefficient} */
    public double value() {
        double[] frequencies = frequencies();
        double sum = 0;
        for (Routed routed : layers.values()) {
            for (int e = 0; e < frequencies.length; e++) {
                sum += frequencies[e] * routed.probabilitySums[e];
            }
        }
        return settings.experts() * sum / rows();
    }

    /** {@return the loss times its coefficient: what is added to the training loss} */
    public double weighted() {
        return settings.coefficient() * value();
    }

    /** d({@code share} * {@link #weighted}) / d(sum of one layer's probabilities), the same for every layer: [experts]. */
    @Override
    public Tensor outputGradient() {
        if (gradient == null) {
            gradient = gradientOfSums().unscoped();
        }
        return gradient;
    }

    private Tensor gradientOfSums() {
        double[] frequencies = frequencies();
        float[] each = new float[frequencies.length];
        for (int e = 0; e < each.length; e++) {
            each[e] = (float) (share * settings.coefficient() * settings.experts() * frequencies[e] / rows());
        }
        return Tensors.of(each, each.length).to(device);
    }

    /** How many times a token was sent to each expert, on average over tokens and layers. */
    private double[] frequencies() {
        double[] frequencies = new double[settings.experts()];
        for (Routed routed : layers.values()) {
            for (int e = 0; e < frequencies.length; e++) {
                frequencies[e] += routed.counts[e] / rows();
            }
        }
        return frequencies;
    }

    private double rows() {
        return (double) realTokens * Math.max(1, layers.size());
    }

    /** Frees what was recorded and has not gone back. */
    @Override
    public void close() {
        takeOutputs().forEach(Tensor::close);
        if (gradient != null) {
            gradient.close();
        }
    }
}
