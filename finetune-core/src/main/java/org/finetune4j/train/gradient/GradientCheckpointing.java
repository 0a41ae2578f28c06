package org.finetune4j.train.gradient;

/**
 * Which activations are kept for the backward pass (Chen et al. 2016): those of all layers, or only the input of every
 * k-th layer, from which the layers after it are computed again.
 *
 * @param everyLayers how many layers share one kept input; 0 keeps everything
 */
public record GradientCheckpointing(int everyLayers) {

    public GradientCheckpointing {
        if (everyLayers < 0) {
            throw new IllegalArgumentException("everyLayers must not be negative: " + everyLayers);
        }
    }

    /** Keeps everything: fastest. */
    public static GradientCheckpointing none() {
        return new GradientCheckpointing(0);
    }

    /** Keeps the input of every {@code layers}-th layer: 1 needs the least memory. */
    public static GradientCheckpointing every(int layers) {
        if (layers < 1) {
            throw new IllegalArgumentException("layers must be positive: " + layers);
        }
        return new GradientCheckpointing(layers);
    }

    boolean isOn() {
        return everyLayers > 0;
    }
}
