package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.RouterListener;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.health.ExpertLoad;

/** Counts the real tokens that routers send to each expert, over batches. Not safe for use by several threads. */
public final class ExpertCounts {

    /** Tokens first, then those of every expert. */
    private final Map<Integer, double[]> layers = new TreeMap<>();

    private final int count;
    private final int experts;

    /**
     * Nothing counted yet.
     *
     * @param count of the model's layers, also of those that other ranks have
     * @param experts in a layer
     */
    public ExpertCounts(int count, int experts) {
        this.count = count;
        this.experts = experts;
    }

    /**
     * Listens to the routers of one batch, each of them once: a layer that is run again chooses as before.
     *
     * @param routed what the layers are given, virtual tokens included
     * @param counts whether the batch counts; one that only keeps ranks in step does not
     */
    RouterListener of(ModelInputs routed, boolean counts) {
        byte[] mask = routed.attentionMask();
        Map<Integer, Boolean> seen = new TreeMap<>();
        return (layer, logits, probabilities, chosen) -> {
            if (seen.put(layer, true) == null) {
                add(layer, mask, chosen, counts);
            }
        };
    }

    private void add(int layer, byte[] mask, Tensor chosen, boolean counts) {
        double[] own = layers.computeIfAbsent(layer, added -> new double[1 + experts]);
        if (!counts) {
            return;
        }
        long[] all = chosen.toLongArray();
        int perToken = all.length / mask.length;
        for (int i = 0; i < all.length; i++) {
            own[1 + (int) all[i]] += mask[i / perToken];
        }
        for (byte real : mask) {
            own[0] += real;
        }
    }

    /**
     * Takes what was counted, over all ranks, and begins anew.
     *
     * @param sum adds up numbers over the ranks that share the data, and over those that have other layers
     * @return for every layer with routed tokens their number, then of those that each expert got
     */
    public Map<Integer, double[]> take(UnaryOperator<double[]> sum) {
        int width = 1 + experts;
        double[] own = new double[count * width];
        layers.forEach((layer, numbers) -> System.arraycopy(numbers, 0, own, layer * width, width));
        layers.clear();
        double[] all = sum.apply(own);
        Map<Integer, double[]> taken = new TreeMap<>();
        for (int layer = 0; layer < count; layer++) {
            if (all[layer * width] > 0) {
                taken.put(layer, Arrays.copyOfRange(all, layer * width, (layer + 1) * width));
            }
        }
        return taken;
    }

    /**
     * Counts as shares.
     *
     * @param counts as {@link #take} gives them
     * @param step number of the last step that is counted
     * @return the load of every layer
     */
    public static ExpertLoad load(Map<Integer, double[]> counts, long step) {
        List<ExpertLoad.Layer> layers = new ArrayList<>();
        counts.forEach((layer, own) -> {
            List<Double> shares = new ArrayList<>();
            for (int expert = 1; expert < own.length; expert++) {
                shares.add(own[expert] / Math.max(1, own[0]));
            }
            layers.add(new ExpertLoad.Layer(layer, (long) own[0], shares));
        });
        return new ExpertLoad(step, layers);
    }
}
