package org.finetune4j.peft.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.LayerNumbers;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.TokenIndices;
import org.finetune4j.peft.lora.LoraConfig.Bias;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/**
 * Low-rank adaptation (Hu et al. 2021): the model stays as it is, and every targeted layer learns a product of two small
 * matrices that is added to it.
 *
 * <pre>{@code
 * Lora.builder().rank(16).alpha(32).targetModules("all-linear").build()
 * }</pre>
 */
public final class Lora implements PeftStrategy {

    private final LoraConfig config;
    private final boolean stored;

    private Lora(LoraConfig config, boolean stored) {
        this.config = config;
        this.stored = stored;
    }

    /**
     * {@return LoRA with these settings}
     *
     * @param config the settings
     */
    public static Lora of(LoraConfig config) {
        return new Lora(config, false);
    }

    /** LoRA with the settings of a stored adapter, whose values follow. */
    static Lora stored(LoraConfig config) {
        return new Lora(config, true);
    }

    /** {@return a builder with PEFT's defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return the settings} */
    public LoraConfig config() {
        return config;
    }

    @Override
    public String method() {
        return config.useDora() ? "dora" : "lora";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public LoraAdapter attach(CausalLM model) {
        boolean isShape = model.network().inputEmbedding().weight().isShape();
        if (config.initialization() == LoraInitialization.EVA && !isShape) {
            throw new UserErrorException(
                    "init_lora_weights eva starts from training data: train with a dataset, or attach"
                            + " with batches");
        }
        return attach(model, true);
    }

    @Override
    public LoraAdapter attach(CausalLM model, Iterable<Batch> batches) {
        return config.initialization() == LoraInitialization.EVA
                ? LoraAdapter.attachFromData(model, config, batches)
                : attach(model);
    }

    @Override
    public LoraAdapter attach(CausalLM model, boolean trainable) {
        return LoraAdapter.attach(model, config, trainable, stored);
    }

    @Override
    public LoraAdapter create(CausalLM model, boolean trainable) {
        return LoraAdapter.create(model, config, trainable, stored);
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("r", config.rank());
        shown.put("lora_alpha", config.loraAlpha());
        shown.put("lora_dropout", config.loraDropout());
        shown.put("target_modules", config.modules().describeTargets());
        shown.put("use_rslora", config.useRslora());
        shown.put("use_dora", config.useDora());
        shown.put("init_lora_weights", config.initialization().peftValue());
        shown.put("bias", config.bias().peftName());
        if (!config.trainableTokens().isEmpty()) {
            shown.put(TokenIndices.KEY, String.valueOf(config.trainableTokens().toJson()));
        }
        if (config.loraPlusRatio() != 1) {
            shown.put("loraplus_lr_ratio", config.loraPlusRatio());
        }
        if (!config.targetParameters().isEmpty()) {
            shown.put("target_parameters", config.targetParameters());
        }
        if (config.frozenA()) {
            shown.put("lora_fa", true);
        }
        return shown;
    }

    /** Collects settings; what is not set keeps PEFT's default. */
    public static final class Builder {

        private int rank = 8;
        private double alpha = 8;
        private double dropout;
        private ModuleSelection modules = ModuleSelection.defaults();
        private Map<String, Integer> rankPattern = Map.of();
        private Map<String, Double> alphaPattern = Map.of();
        private boolean useRslora;
        private boolean useDora;
        private boolean loraBias;
        private Bias bias = Bias.NONE;
        private LoraInitialization initialization = LoraInitialization.KAIMING;
        private LoftqConfig loftq = LoftqConfig.DEFAULT;
        private EvaConfig eva = EvaConfig.defaults();
        private double loraPlusRatio = 1;
        private TokenIndices trainableTokens = TokenIndices.none();
        private boolean ensureWeightTying;
        private List<String> targetParameters = List.of();
        private boolean frozenA;

        private Builder() {}

        /** Starts from other settings than the defaults. */
        Builder(LoraConfig start) {
            rank = start.rank();
            alpha = start.loraAlpha();
            dropout = start.loraDropout();
            modules = start.modules();
            rankPattern = start.rankPattern();
            alphaPattern = start.alphaPattern();
            useRslora = start.useRslora();
            useDora = start.useDora();
            loraBias = start.loraBias();
            bias = start.bias();
            initialization = start.initialization();
            loftq = start.loftq();
            eva = start.eva();
            loraPlusRatio = start.loraPlusRatio();
            trainableTokens = start.trainableTokens();
            ensureWeightTying = start.ensureWeightTying();
            targetParameters = start.targetParameters();
            frozenA = start.frozenA();
        }

        /**
         * Sets the rank of the two matrices.
         *
         * @param value at least 1
         * @return this builder
         */
        public Builder rank(int value) {
            rank = value;
            return this;
        }

        /**
         * Sets what the product of the matrices is scaled by, together with the rank.
         *
         * @param value any number
         * @return this builder
         */
        public Builder alpha(double value) {
            alpha = value;
            return this;
        }

        /**
         * Sets the probability of dropping an element of the input in training.
         *
         * @param value from 0 to below 1
         * @return this builder
         */
        public Builder dropout(double value) {
            dropout = value;
            return this;
        }

        /**
         * Says which modules, with all of PEFT's settings for it.
         *
         * @param value replaces what was said about modules before
         * @return this builder
         */
        public Builder modules(ModuleSelection value) {
            modules = Objects.requireNonNull(value, "modules");
            return this;
        }

        /**
         * One regular expression, {@code all-linear}, or any number of names.
         *
         * @param targets which layers and embeddings are adapted
         * @return this builder
         */
        public Builder targetModules(String... targets) {
            return targetModules(TargetModules.of(Objects.requireNonNull(targets, "targets")));
        }

        /**
         * Says which layers and embeddings are adapted.
         *
         * @param targets by names, by a regular expression or all; null for those that PEFT takes by default
         * @return this builder
         */
        public Builder targetModules(@Nullable TargetModules targets) {
            modules = modules.withTargets(targets);
            return this;
        }

        /**
         * Leaves modules out.
         *
         * @param names of modules, or ends of their paths; empty for none
         * @return this builder
         */
        public Builder excludeModules(List<String> names) {
            Objects.requireNonNull(names, "names");
            modules = modules.withExclude(names.isEmpty() ? null : new TargetModules.Names(names));
            return this;
        }

        /**
         * Adapts only these layers of the model.
         *
         * @param layers counted from 0; empty for all
         * @return this builder
         */
        public Builder layersToTransform(List<Integer> layers) {
            Objects.requireNonNull(layers, "layers");
            modules =
                    modules.withLayers(new LayerNumbers(layers, modules.layers().lists()));
            return this;
        }

        /**
         * Trains modules as a whole, in copies that are stored with the adapter.
         *
         * @param names of modules, or ends of their paths
         * @return this builder
         */
        public Builder modulesToSave(List<String> names) {
            modules = modules.withModulesToSave(Objects.requireNonNull(names, "names"));
            return this;
        }

        /**
         * Sets other ranks for some layers.
         *
         * @param pattern ranks by regular expressions that match the end of a path; the first match wins
         * @return this builder
         */
        public Builder rankPattern(Map<String, Integer> pattern) {
            rankPattern = Objects.requireNonNull(pattern, "rankPattern");
            return this;
        }

        /**
         * Sets other alphas for some layers.
         *
         * @param pattern alphas by regular expressions that match the end of a path; the first match wins
         * @return this builder
         */
        public Builder alphaPattern(Map<String, Double> pattern) {
            alphaPattern = Objects.requireNonNull(pattern, "alphaPattern");
            return this;
        }

        /**
         * Chooses the scale (Kalajdzievski 2023).
         *
         * @param value whether the scale is {@code alpha / sqrt(rank)} instead of {@code alpha / rank}
         * @return this builder
         */
        public Builder useRslora(boolean value) {
            useRslora = value;
            return this;
        }

        /**
         * Chooses DoRA (Liu et al. 2024).
         *
         * @param value whether a magnitude is learned apart from the direction
         * @return this builder
         */
        public Builder useDora(boolean value) {
            useDora = value;
            return this;
        }

        /**
         * Gives B a bias, which trains as well.
         *
         * @param value whether B has one
         * @return this builder
         */
        public Builder loraBias(boolean value) {
            loraBias = value;
            return this;
        }

        /**
         * Says which biases of the base train.
         *
         * @param value which ones
         * @return this builder
         */
        public Builder bias(Bias value) {
            bias = Objects.requireNonNull(value, "bias");
            return this;
        }

        /**
         * Says what A and B start from.
         *
         * @param value the start
         * @return this builder
         */
        public Builder initialization(LoraInitialization value) {
            initialization = Objects.requireNonNull(value, "initialization");
            return this;
        }

        /**
         * Starts with LoftQ.
         *
         * @param bits those of the base: 4 or 8
         * @param iterations how often the base is quantised; after more than one it is another base than before
         * @return this builder
         */
        public Builder loftq(int bits, int iterations) {
            initialization = LoraInitialization.LOFTQ;
            loftq = new LoftqConfig(bits, iterations);
            return this;
        }

        /**
         * Says how {@link LoraInitialization#EVA} finds a start.
         *
         * @param value settings of EVA
         * @return this builder
         */
        public Builder eva(EvaConfig value) {
            eva = Objects.requireNonNull(value, "eva");
            return this;
        }

        /**
         * Tokens whose rows train beside the matrices, as PEFT's {@code trainable_token_indices}.
         *
         * @param value ids of the embedding, or by module
         * @return this builder
         */
        public Builder trainableTokens(TokenIndices value) {
            trainableTokens = Objects.requireNonNull(value, "trainableTokens");
            return this;
        }

        /**
         * Keeps tied weights tied when one of them trains, as PEFT's {@code ensure_weight_tying}.
         *
         * @param value whether to
         * @return this builder
         */
        public Builder ensureWeightTying(boolean value) {
            ensureWeightTying = value;
            return this;
        }

        /**
         * Sets the learning rate of B by that of A (Hayou et al. 2024).
         *
         * @param value above 0; 1 for plain LoRA
         * @return this builder
         */
        public Builder loraPlusRatio(double value) {
            loraPlusRatio = value;
            return this;
        }

        /**
         * Adapts the experts of mixtures by the names that their weights have in one tensor, as PEFT's {@code target_parameters}. Without
         * other targets nothing else is adapted.
         *
         * @param names such as {@code mlp.experts.gate_up_proj} and {@code mlp.experts.down_proj}
         * @return this builder
         */
        public Builder targetParameters(List<String> names) {
            targetParameters = List.copyOf(names);
            if (!names.isEmpty() && modules.targets() == null) {
                modules = modules.withTargets(new TargetModules.Names(List.of()));
            }
            return this;
        }

        /**
         * LoRA-FA (Zhang et al. 2023): A stays as it was drawn, and B takes the steps that follow the whole weight's gradient best.
         *
         * @param value whether A is frozen
         * @return this builder
         */
        public Builder frozenA(boolean value) {
            frozenA = value;
            return this;
        }

        /** {@return the settings} */
        public LoraConfig config() {
            return new LoraConfig(
                    rank,
                    alpha,
                    dropout,
                    modules,
                    rankPattern,
                    alphaPattern,
                    useRslora,
                    useDora,
                    loraBias,
                    bias,
                    initialization,
                    loftq,
                    eva,
                    loraPlusRatio,
                    trainableTokens,
                    ensureWeightTying,
                    targetParameters,
                    frozenA);
        }

        /** {@return LoRA with these settings} */
        public Lora build() {
            return new Lora(config(), false);
        }
    }
}
