package org.finetune4j.peft.lora;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Module;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.Patterns;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.TokenIndices;
import org.jspecify.annotations.Nullable;

/**
 * The settings of LoRA, with PEFT's names and defaults.
 *
 * @param rank of the two matrices
 * @param loraAlpha what the product is scaled by, together with the rank
 * @param loraDropout probability of dropping an element of the input in training
 * @param modules which layers and embeddings are adapted, and which modules train as a whole
 * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
 * @param alphaPattern other alphas, in the same way
 * @param useRslora whether the scale is {@code alpha / sqrt(rank)} (Kalajdzievski 2023) instead of {@code alpha / rank}
 * @param useDora whether a magnitude is learned apart from the direction (Liu et al. 2024)
 * @param loraBias whether B has a bias, which trains as well
 * @param bias which biases of the base train
 * @param initialization what A and B start from
 * @param loftq how the initialization LOFTQ is calculated
 * @param eva settings of {@link LoraInitialization#EVA}
 * @param loraPlusRatio the learning rate of B by that of A (Hayou et al. 2024), 1 for plain LoRA
 * @param trainableTokens tokens whose rows train beside the matrices
 * @param ensureWeightTying whether an output layer that shares the embedding's weight goes on sharing it when one of them trains
 * @param targetParameters experts' weights by the names that they have in one tensor, such as {@code mlp.experts.down_proj}
 * @param frozenA whether A stays as it was drawn, and B takes the steps that follow the whole weight's gradient best (LoRA-FA, Zhang et al. 2023)
 */
public record LoraConfig(
        int rank,
        double loraAlpha,
        double loraDropout,
        ModuleSelection modules,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        boolean useRslora,
        boolean useDora,
        boolean loraBias,
        Bias bias,
        LoraInitialization initialization,
        LoftqConfig loftq,
        EvaConfig eva,
        double loraPlusRatio,
        TokenIndices trainableTokens,
        boolean ensureWeightTying,
        List<String> targetParameters,
        boolean frozenA) {

    private static final List<String> EMBEDDING_NAMES = List.of("embed_tokens", "lm_head");

    /** Which biases of the base train. */
    public enum Bias {
        /** None. */
        NONE,
        /** All of the model. */
        ALL,
        /** Those of the adapted layers. */
        LORA_ONLY;

        /** {@return PEFT's name, such as {@code lora_only}} */
        public String peftName() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Checks that the settings go together and keeps copies of the patterns.
     *
     * @param rank of the two matrices
     * @param loraAlpha what the product is scaled by, together with the rank
     * @param loraDropout probability of dropping an element of the input in training
     * @param modules which layers and embeddings are adapted, and which modules train as a whole
     * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
     * @param alphaPattern other alphas, in the same way
     * @param useRslora whether the scale is {@code alpha / sqrt(rank)} (Kalajdzievski 2023) instead of {@code alpha / rank}
     * @param useDora whether a magnitude is learned apart from the direction (Liu et al. 2024)
     * @param loraBias whether B has a bias, which trains as well
     * @param bias which biases of the base train
     * @param initialization what A and B start from
     * @param loftq how the initialization LOFTQ is calculated
     * @param eva settings of {@link LoraInitialization#EVA}
     * @param loraPlusRatio the learning rate of B by that of A (Hayou et al. 2024), 1 for plain LoRA
     * @param trainableTokens tokens whose rows train beside the matrices
     * @param ensureWeightTying whether an output layer that shares the embedding's weight goes on sharing it when one of
     *     them trains
     * @param targetParameters experts' weights by the names that they have in one tensor, such as {@code mlp.experts.down_proj}
     * @param frozenA whether A stays as it was drawn, and B takes the steps that follow the whole weight's gradient best (LoRA-FA, Zhang et al. 2023)
     * @throws IllegalArgumentException when a number is out of its range
     * @throws UserErrorException when two settings exclude each other
     */
    public LoraConfig {
        if (rank < 1) {
            throw new IllegalArgumentException("rank must be positive: " + rank);
        }
        if (!Double.isFinite(loraAlpha)) {
            throw new IllegalArgumentException("loraAlpha must be a number: " + loraAlpha);
        }
        if (!(loraDropout >= 0 && loraDropout < 1)) {
            throw new IllegalArgumentException("loraDropout must be at least 0 and below 1: " + loraDropout);
        }
        if (!(loraPlusRatio > 0)) {
            throw new IllegalArgumentException("loraPlusRatio must be positive: " + loraPlusRatio);
        }
        if (useDora && loraBias) {
            throw new UserErrorException("lora_bias and use_dora cannot be combined");
        }
        if (useDora && initialization == LoraInitialization.LOFTQ && loftq.iterations() > 1) {
            throw new UserErrorException("use_dora takes one iteration of loftq, not " + loftq.iterations());
        }
        targetParameters = List.copyOf(targetParameters);
        if (!targetParameters.isEmpty() && (loraDropout > 0 || loraBias || useDora)) {
            throw new UserErrorException(
                    "target_parameters cannot be combined with lora_dropout, lora_bias or use_dora");
        }
        if (!targetParameters.isEmpty() && !initialization.startsAlone()) {
            throw new UserErrorException("target_parameters cannot be combined with init_lora_weights "
                    + initialization.peftValue() + ": expected true or gaussian");
        }
        if (frozenA && useDora) {
            throw new UserErrorException("lora_fa and use_dora cannot be combined");
        }
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
    }

    /**
     * The settings of a stored adapter.
     *
     * @param directory of the adapter
     * @return the settings
     * @throws UserErrorException when they cannot be read, or PEFT's file has a key that is not implemented
     */
    public static LoraConfig read(Path directory) {
        return LoraConfigJson.fromSettings(AdapterConfigFile.read(directory), true);
    }

    /** Whether nothing but {@link #targetParameters} is adapted. */
    boolean hasNoModules() {
        return modules.targets() instanceof TargetModules.Names names
                && names.names().isEmpty();
    }

    /** The rank of the layer at this path. */
    int rankOf(String path) {
        return Patterns.firstMatch(rankPattern, path).orElse(rank);
    }

    /** The alpha of the layer at this path. */
    double alphaOf(String path) {
        return Patterns.firstMatch(alphaPattern, path).orElse(loraAlpha);
    }

    /**
     * {@return the scale of the layer at this path}
     *
     * @param path in the model, such as {@code model.layers.0.self_attn.q_proj}
     */
    public double scaleOf(String path) {
        int layerRank = rankOf(path);
        return alphaOf(path) / (useRslora ? Math.sqrt(layerRank) : layerRank);
    }

    /**
     * Whether PEFT writes the base's weight of this module into the adapter's file: it does so for the token embedding and
     * the output layer when a target is called {@code embed_tokens} or {@code lm_head}.
     */
    boolean storesBaseOf(CausalLM model, Module module) {
        TargetModules targets = modules.targets();
        boolean named = (targets instanceof TargetModules.Names names
                        && EMBEDDING_NAMES.stream().anyMatch(names.names()::contains))
                || (targets instanceof TargetModules.Regex regex
                        && EMBEDDING_NAMES.stream().anyMatch(regex.pattern()::contains));
        return named
                && (module == model.network().inputEmbedding()
                        || module == model.network().outputLayer());
    }

    /**
     * The same settings, to be changed.
     *
     * @return a builder that has them
     */
    public Lora.Builder toBuilder() {
        return new Lora.Builder(this);
    }

    /**
     * The settings of a plain LoRA that holds this one's change as the difference of two products: twice the rank, the
     * same scale.
     */
    LoraConfig doubled() {
        double factor = useRslora ? Math.sqrt(2) : 2;
        Map<String, Integer> ranks = new LinkedHashMap<>();
        rankPattern.forEach((pattern, value) -> ranks.put(pattern, value * 2));
        Map<String, Double> alphas = new LinkedHashMap<>();
        alphaPattern.forEach((pattern, value) -> alphas.put(pattern, value * factor));
        return toBuilder()
                .rank(rank * 2)
                .alpha(loraAlpha * factor)
                .rankPattern(ranks)
                .alphaPattern(alphas)
                .initialization(LoraInitialization.KAIMING)
                .config();
    }

    /**
     * Other patterns, else the same.
     *
     * @param paths the only modules that are left to adapt, or null for the targets as they are
     */
    LoraConfig withRanks(Map<String, Integer> ranks, Map<String, Double> alphas, @Nullable List<String> paths) {
        ModuleSelection left = paths == null ? modules : modules.withTargets(new TargetModules.Names(paths));
        return toBuilder().modules(left).rankPattern(ranks).alphaPattern(alphas).config();
    }
}
