package org.finetune4j.peft.lora;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.finetune4j.peft.TargetModules;
import org.jspecify.annotations.Nullable;

/**
 * The settings of LoRA, with PEFT's names and defaults.
 *
 * @param rank of the two matrices
 * @param loraAlpha what the product is scaled by, together with the rank
 * @param loraDropout probability of dropping an element of the input in training
 * @param targetModules which layers, or null for those that PEFT takes by default
 * @param excludeModules names of modules to leave out
 * @param layersToTransform numbers of the layers to work on; empty for all
 * @param layersPattern the name of the list of layers, or null for any
 * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
 * @param alphaPattern other alphas, in the same way
 * @param useRslora whether the scale is {@code alpha / sqrt(rank)} (Kalajdzievski 2023) instead of {@code alpha / rank}
 * @param bias which biases train
 * @param modulesToSave names of modules that train as a whole
 * @param initialization what A and B start from
 */
public record LoraConfig(
        int rank,
        double loraAlpha,
        double loraDropout,
        @Nullable TargetModules targetModules,
        List<String> excludeModules,
        List<Integer> layersToTransform,
        @Nullable String layersPattern,
        Map<String, Integer> rankPattern,
        Map<String, Integer> alphaPattern,
        boolean useRslora,
        Bias bias,
        List<String> modulesToSave,
        LoraInitialization initialization) {

    /** Which biases train. */
    public enum Bias {
        NONE,
        ALL,
        LORA_ONLY;

        /** PEFT's name. */
        public String peftName() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public LoraConfig {
        if (rank < 1) {
            throw new IllegalArgumentException("rank must be positive: " + rank);
        }
        if (!(loraDropout >= 0 && loraDropout < 1)) {
            throw new IllegalArgumentException("loraDropout must be at least 0 and below 1: " + loraDropout);
        }
        excludeModules = List.copyOf(excludeModules);
        layersToTransform = List.copyOf(layersToTransform);
        modulesToSave = List.copyOf(modulesToSave);
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
    }

    /** The rank of the layer at this path. */
    int rankOf(String path) {
        return firstMatch(rankPattern, path).orElse(rank);
    }

    /** The scale of the layer at this path. */
    double scaleOf(String path) {
        double alpha = firstMatch(alphaPattern, path).map(Integer::doubleValue).orElse(loraAlpha);
        int layerRank = rankOf(path);
        return alpha / (useRslora ? Math.sqrt(layerRank) : layerRank);
    }

    private static Optional<Integer> firstMatch(Map<String, Integer> patterns, String path) {
        return patterns.entrySet().stream()
                .filter(entry -> TargetModules.compile("(.*\\.)?(" + entry.getKey() + ")$")
                        .matcher(path)
                        .matches())
                .map(Map.Entry::getValue)
                .findFirst();
    }

    /** Whether the layer at this path is left in by the exclusions and the choice of layers. */
    boolean includes(String path) {
        if (excludeModules.stream().anyMatch(name -> TargetModules.endsWith(path, name))) {
            return false;
        }
        if (layersToTransform.isEmpty()) {
            return true;
        }
        String list = layersPattern == null ? "[^.]*" : layersPattern;
        var matcher = Pattern.compile(".*\\." + list + "\\.(\\d+)\\..*").matcher(path);
        return matcher.matches() && layersToTransform.contains(Integer.parseInt(matcher.group(1)));
    }
}
