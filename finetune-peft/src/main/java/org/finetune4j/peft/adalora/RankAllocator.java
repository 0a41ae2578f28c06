package org.finetune4j.peft.adalora;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Gives the directions of all layers their places by importance: a budget that shrinks with the cube of the remaining
 * steps decides how many are kept, and the values of the least important ones are set to zero. The importance of an element
 * is its smoothed sensitivity |w * dw| times the smoothed uncertainty of that.
 */
final class RankAllocator implements AutoCloseable {

    private static final String SENSITIVITY = "exp_avg_ipt.";
    private static final String UNCERTAINTY = "exp_avg_unc.";
    private static final String KEPT = "kept.";

    private final AdaLoraConfig config;
    private final List<AdaLoraLayer> layers;
    private final Map<String, Tensor> sensitivity = new LinkedHashMap<>();
    private final Map<String, Tensor> uncertainty = new LinkedHashMap<>();
    private final Map<String, List<Boolean>> kept = new LinkedHashMap<>();

    /** @param config with the number of steps of the run */
    RankAllocator(AdaLoraConfig config, List<AdaLoraLayer> layers) {
        this.config = config;
        this.layers = layers;
    }

    /** How many directions all layers may have together after this many updates. */
    int budget(long step) {
        int initial = initialBudget();
        int target = config.targetRank() * layers.size();
        int start = config.warmupSteps();
        int end = config.totalSteps() - config.finalSteps();
        if (step <= start) {
            return initial;
        }
        if (step > end) {
            return target;
        }
        double rest = 1 - (double) (step - start) / (end - start);
        return (int) ((initial - target) * Math.pow(rest, 3) + target);
    }

    private int initialBudget() {
        return layers.stream().mapToInt(AdaLoraLayer::rank).sum();
    }

    /** What is to be done after update number {@code step}, the first being 0, while its gradients are there. */
    void afterUpdate(long step) {
        long end = (long) config.totalSteps() - config.finalSteps();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            if (step < end) {
                updateImportance();
                if (step > config.warmupSteps() && step % config.interval() == 0) {
                    choose(budget(step));
                }
            } else if (step == end) {
                choose(budget(step));
                close();
            } else {
                mask();
            }
        }
    }

    private void updateImportance() {
        for (AdaLoraLayer layer : layers) {
            layer.parametersByKey().forEach((key, parameter) -> {
                Tensor gradient = parameter.grad();
                if (gradient == null) {
                    return;
                }
                Tensor importance = parameter.value().detach().mul(gradient).abs();
                Tensor smooth = average(sensitivity, key, parameter)
                        .mulInPlace(config.beta1())
                        .addScaledInPlace(importance, 1 - config.beta1());
                average(uncertainty, key, parameter)
                        .mulInPlace(config.beta2())
                        .addScaledInPlace(importance.sub(smooth).abs(), 1 - config.beta2());
            });
        }
    }

    private static Tensor average(Map<String, Tensor> averages, String key, Parameter parameter) {
        return averages.computeIfAbsent(key, name -> {
            Tensor value = parameter.value();
            return Tensors.zeros(value.dtype(), value.device(), value.shape()).unscoped();
        });
    }

    /** Keeps as many directions as the budget allows, and masks the others. */
    private void choose(int budget) {
        Map<String, float[]> scores = new LinkedHashMap<>();
        layers.forEach(layer -> scores.put(layer.path(), scores(layer)));
        float[] sorted = new float[initialBudget()];
        int next = 0;
        for (float[] layerScores : scores.values()) {
            System.arraycopy(layerScores, 0, sorted, next, layerScores.length);
            next += layerScores.length;
        }
        Arrays.sort(sorted);
        int cut = initialBudget() - budget;
        float threshold = cut < 1 ? Float.NEGATIVE_INFINITY : sorted[cut - 1];
        scores.forEach((path, layerScores) -> {
            List<Boolean> keep = new ArrayList<>();
            for (float score : layerScores) {
                keep.add(score > threshold);
            }
            kept.put(path, List.copyOf(keep));
        });
        mask();
    }

    /** The importance of each direction of a layer: of its value, and the mean of its two vectors. */
    private float[] scores(AdaLoraLayer layer) {
        Map<String, Tensor> elements = new LinkedHashMap<>();
        layer.parametersByKey()
                .forEach((key, parameter) -> elements.put(
                        key.substring(key.lastIndexOf('.') + 1),
                        average(sensitivity, key, parameter).mul(average(uncertainty, key, parameter))));
        Tensor ofValue = element(elements, "lora_E").view(-1); // [rank]
        Tensor ofVectors = element(elements, "lora_A")
                .mean(1, false)
                .add(element(elements, "lora_B").mean(0, false)); // [rank]
        return ofValue.add(ofVectors).to(DType.FLOAT32).toFloatArray();
    }

    private static Tensor element(Map<String, Tensor> elements, String name) {
        Tensor tensor = elements.get(name);
        if (tensor == null) {
            throw new IllegalStateException("no importance of " + name);
        }
        return tensor;
    }

    private void mask() {
        for (AdaLoraLayer layer : layers) {
            List<Boolean> keep = kept.get(layer.path());
            if (keep != null) {
                float[] factors = new float[keep.size()];
                for (int i = 0; i < factors.length; i++) {
                    factors[i] = keep.get(i) ? 1 : 0;
                }
                Tensor values = layer.loraE().value().detach(); // [rank, 1]
                Tensor dropped = Tensors.of(factors, factors.length, 1).eq(0).to(values.device());
                values.maskedFillInPlace(dropped, 0);
            }
        }
    }

    /** Which directions of each layer were kept by the last choice, by path; empty before the first. */
    Map<String, List<Boolean>> kept() {
        return kept;
    }

    /** What a resumed training needs, by names; the averages belong to this object. */
    Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        sensitivity.forEach((key, tensor) -> state.put(SENSITIVITY + key, tensor));
        uncertainty.forEach((key, tensor) -> state.put(UNCERTAINTY + key, tensor));
        kept.forEach((path, keep) -> {
            int[] flags = keep.stream().mapToInt(flag -> flag ? 1 : 0).toArray();
            state.put(KEPT + path, Tensors.of(flags, flags.length));
        });
        return state;
    }

    /** Takes over what {@link #state()} gave, copying it. */
    void restore(Map<String, Tensor> state) {
        close();
        kept.clear();
        state.forEach((name, tensor) -> {
            if (name.startsWith(KEPT)) {
                List<Boolean> keep = new ArrayList<>();
                for (long flag : tensor.toLongArray()) {
                    keep.add(flag == 1);
                }
                kept.put(name.substring(KEPT.length()), List.copyOf(keep));
            } else {
                Map<String, Tensor> averages = name.startsWith(SENSITIVITY) ? sensitivity : uncertainty;
                String key = name.substring(SENSITIVITY.length());
                averages.put(key, tensor.copy().unscoped());
            }
        });
    }

    /** Frees the averages. */
    @Override
    public void close() {
        sensitivity.values().forEach(Tensor::close);
        uncertainty.values().forEach(Tensor::close);
        sensitivity.clear();
        uncertainty.clear();
    }
}
