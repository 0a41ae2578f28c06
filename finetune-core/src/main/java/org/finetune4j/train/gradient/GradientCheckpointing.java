package org.finetune4j.train.gradient;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Which activations are kept for the backward pass (Chen et al. 2016): those of all layers, or only the input of every
 * k-th layer, from which the layers after it are computed again.
 *
 * @param everyLayers how many layers share one kept input; 0 keeps everything
 * @param offloadDirectory where kept inputs are written until they are needed, or null to keep them in memory
 */
public record GradientCheckpointing(
        int everyLayers, @Nullable Path offloadDirectory) {

    /**
     * Checks that there is something to offload.
     *
     * @param everyLayers how many layers share one kept input; 0 keeps everything
     * @param offloadDirectory where kept inputs are written until they are needed, or null to keep them in memory
     * @throws IllegalArgumentException when {@code everyLayers} is negative, or 0 with a directory
     */
    public GradientCheckpointing {
        if (everyLayers < 0) {
            throw new IllegalArgumentException("everyLayers must not be negative: " + everyLayers);
        }
        if (everyLayers == 0 && offloadDirectory != null) {
            throw new IllegalArgumentException("only checkpointed activations can be offloaded");
        }
    }

    /**
     * Kept inputs stay in memory.
     *
     * @param everyLayers how many layers share one kept input; 0 keeps everything
     */
    public GradientCheckpointing(int everyLayers) {
        this(everyLayers, null);
    }

    /**
     * {@return the same with kept inputs in files below {@code directory}: less memory, and slower where that is short}
     *
     * @param directory on a disk with room for the kept inputs of a batch
     */
    public GradientCheckpointing offloadedTo(Path directory) {
        return new GradientCheckpointing(everyLayers, directory);
    }

    /**
     * Keeps everything: fastest.
     *
     * @return the setting
     */
    public static GradientCheckpointing none() {
        return new GradientCheckpointing(0);
    }

    /**
     * Keeps the input of every {@code layers}-th layer: 1 needs the least memory.
     *
     * @param layers at least 1
     * @return the setting
     */
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
