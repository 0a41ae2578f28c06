package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.RouterLoss;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The load-balancing loss of a mixture of experts (Fedus et al. 2022, equations 4 to 6), over all layers and real tokens at
 * once as transformers computes it: {@code experts * sum_e f_e p_e}, where f_e is how many times a token was sent to expert
 * e and p_e the mean probability that the routers gave it. Beside it the router z-loss (Zoph et al. 2022, equation 5), over the
 * same: the mean of the squared logarithm of the sum of a router's exponential logits.
 *
 * <p>Layers are back-propagated one at a time, and these losses couple them only through f, which has no gradient. So each
 * layer's share is linear in the sum of its probabilities and of its squares: these sums are an output of the layer's segment
 * beside its hidden states, and its gradient is known once all layers have run forwards.
 */
public final class LoadBalancingLoss implements RouterLoss, AutoCloseable {

    /** What one layer's router did with the real tokens. */
    private record Routed(float[] counts, float[] sums) {}

    private final LoadBalancing settings;
    private final Device device;
    private final Tensor tokenMask;
    private final int realTokens;
    private final Map<Integer, Routed> layers = new TreeMap<>();
    private double[] sent;
    private final List<Tensor> pending = new ArrayList<>();
    private final double share;
    private final BatchPart part;
    private @Nullable Statistics statistics;
    private @Nullable Tensor gradient;

    /**
     * What all parts of the batch come to, once all layers have run.
     *
     * @param share of the whole batch in its step
     * @param rows real tokens times layers
     * @param frequencies how many times a token was sent to each expert, on average over tokens and layers
     */
    private record Statistics(double share, double rows, double[] frequencies) {}

    /**
     * For the routers of one batch; the mask belongs to the caller's scope.
     *
     * @param settings number of experts and coefficients
     * @param inputs the batch; padding does not count
     * @param device where the model is
     */
    public LoadBalancingLoss(LoadBalancing settings, ModelInputs inputs, Device device) {
        this(settings, inputs, device, 1, BatchPart.WHOLE);
    }

    /**
     * For the routers of a batch that is a part of an optimizer step.
     *
     * @param settings number of experts and coefficients
     * @param inputs the batch; padding does not count
     * @param device where the model is
     * @param share what the loss is multiplied by when it goes back
     * @param part which part of the batch the inputs are
     */
    LoadBalancingLoss(LoadBalancing settings, ModelInputs inputs, Device device, double share, BatchPart part) {
        this.settings = settings;
        this.device = device;
        this.share = share;
        this.sent = new double[1 + settings.experts()];
        byte[] mask = inputs.attentionMask();
        int real = 0;
        for (byte token : mask) {
            real += token;
        }
        this.realTokens = real;
        this.part = part;
        this.tokenMask = Tensors.of(mask, 1, mask.length).to(DType.FLOAT32).to(device); // [1, tokens]
    }

    @Override
    public void routed(int layer, Tensor logits, Tensor probabilities, Tensor chosen) {
        Tensor sums = sums(logits, probabilities);
        if (sums.requiresGrad()) {
            pending.add(sums.unscoped());
        }
        // A checkpointed layer that runs again chooses as it did before: what it did is known already.
        if (!layers.containsKey(layer)) {
            Routed routed = new Routed(counts(chosen), sums.detach().toFloatArray());
            layers.put(layer, routed);
            sent[0]++;
            for (int e = 0; e < routed.counts.length; e++) {
                sent[1 + e] += routed.counts[e];
            }
        }
    }

    /** Over the real tokens: every expert's probabilities, then the squares of the z-loss where that is asked for. */
    private Tensor sums(Tensor logits, Tensor probabilities) {
        Tensor exact = probabilities.to(DType.FLOAT32); // of a model in double precision too
        Tensor sums = tokenMask.mm(exact).select(0, 0); // [experts]
        if (settings.zCoefficient() == 0) {
            return sums;
        }
        Tensor scores = logits.to(DType.FLOAT32);
        Tensor logSums = scores.sub(Functional.logSoftmax(scores, -1)).narrow(1, 0, 1); // [tokens, 1]
        Tensor squares = tokenMask.mm(logSums.square()).select(0, 0); // [1]
        return Tensors.cat(List.of(sums, squares), 0); // [experts + 1]
    }

    /** How many layers have run, here or elsewhere, and how many tokens they sent to each expert. */
    double[] sent() {
        return sent.clone();
    }

    /** Takes over what {@link #sent()} gave where the layers before these ran. */
    void sent(double[] soFar) {
        sent = soFar.clone();
    }

    /** What the batch came to when all of its layers had run, for the processes that ran some of them. */
    double[] settled() {
        Statistics all = statistics();
        double[] numbers = new double[2 + settings.experts()];
        numbers[0] = all.share;
        numbers[1] = all.rows;
        System.arraycopy(all.frequencies, 0, numbers, 2, settings.experts());
        return numbers;
    }

    /** Takes over what {@link #settled()} gave where the last layer ran. */
    void settle(double[] numbers) {
        statistics = new Statistics(numbers[0], numbers[1], Arrays.copyOfRange(numbers, 2, numbers.length));
    }

    private float[] counts(Tensor chosen) {
        long perToken = chosen.size(1);
        Tensor ones = tokenMask.view(-1, 1).expand(-1, perToken).reshape(-1); // [tokens * perToken]
        return Tensors.zeros(DType.FLOAT32, device, settings.experts())
                .scatterAddInPlace(0, chosen.reshape(-1), ones)
                .toFloatArray();
    }

    /** Every layer's sums, each [experts] or, with a z-loss, [experts + 1]. */
    @Override
    public List<Tensor> takeOutputs() {
        List<Tensor> taken = List.copyOf(pending);
        pending.clear();
        return taken;
    }

    /** {@return the balance over all layers that have run, without its coefficient; of a part of a batch its part of it} */
    public double value() {
        Statistics all = statistics();
        double sum = 0;
        for (Routed routed : layers.values()) {
            for (int e = 0; e < all.frequencies.length; e++) {
                sum += all.frequencies[e] * routed.sums[e];
            }
        }
        return part.counts() ? settings.experts() * sum / all.rows : 0;
    }

    /** {@return the z-loss over all layers that have run, without its coefficient; 0 where it is not asked for} */
    public double zValue() {
        int experts = settings.experts();
        double sum = layers.values().stream()
                .filter(routed -> routed.sums.length > experts)
                .mapToDouble(routed -> routed.sums[experts])
                .sum();
        return part.counts() ? sum / statistics().rows : 0;
    }

    /** {@return both times their coefficients: what is added to the training loss} */
    public double weighted() {
        return settings.coefficient() * value() + settings.zCoefficient() * zValue();
    }

    /** What the batch's loss adds to that of its step. */
    double shared() {
        return statistics().share * weighted();
    }

    /** d({@code share} * {@link #weighted}) / d(one layer's sums), the same for every layer and of their shape. */
    @Override
    public Tensor outputGradient() {
        if (gradient == null) {
            gradient = gradientOfSums().unscoped();
        }
        return gradient;
    }

    private Tensor gradientOfSums() {
        Statistics all = statistics();
        int experts = settings.experts();
        float[] each = new float[settings.zCoefficient() == 0 ? experts : experts + 1];
        if (part.counts()) {
            for (int e = 0; e < experts; e++) {
                each[e] = (float) (all.share * settings.coefficient() * experts * all.frequencies[e] / all.rows);
            }
            if (each.length > experts) {
                each[experts] = (float) (all.share * settings.zCoefficient() / all.rows);
            }
        }
        return Tensors.of(each, each.length).to(device);
    }

    private Statistics statistics() {
        Statistics known = statistics;
        if (known == null) {
            known = settle();
            statistics = known;
        }
        return known;
    }

    private Statistics settle() {
        int experts = settings.experts();
        double[] own = new double[2 + experts];
        if (part.counts()) {
            own[0] = share;
            own[1] = realTokens;
            System.arraycopy(sent, 1, own, 2, experts);
        }
        double[] all = part.sum().apply(own);
        double rows = Math.max(1, all[1]) * Math.max(1, sent[0]);
        double[] frequencies = new double[experts];
        for (int e = 0; e < experts; e++) {
            frequencies[e] = all[2 + e] / rows;
        }
        return new Statistics(all[0], rows, frequencies);
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
