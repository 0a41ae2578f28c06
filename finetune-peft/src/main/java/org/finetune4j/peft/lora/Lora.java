package org.finetune4j.peft.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.lora.LoraConfig.Bias;
import org.finetune4j.strategy.FineTuningStrategy;
import org.jspecify.annotations.Nullable;

/**
 * Low-rank adaptation (Hu et al. 2021): the model stays as it is, and every targeted layer learns a product of two small
 * matrices that is added to it.
 *
 * <pre>{@code
 * Lora.builder().rank(16).alpha(32).targetModules("all-linear").build()
 * }</pre>
 */
public final class Lora implements FineTuningStrategy {

    private final LoraConfig config;

    private Lora(LoraConfig config) {
        this.config = config;
    }

    /** LoRA with these settings. */
    public static Lora of(LoraConfig config) {
        return new Lora(config);
    }

    public static Builder builder() {
        return new Builder();
    }

    public LoraConfig config() {
        return config;
    }

    @Override
    public String method() {
        return "lora";
    }

    @Override
    public LoraAdapter attach(CausalLM model) {
        return LoraAdapter.attach(model, config, true);
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("r", config.rank());
        shown.put("lora_alpha", config.loraAlpha());
        shown.put("lora_dropout", config.loraDropout());
        shown.put(
                "target_modules",
                config.targetModules() == null
                        ? "default"
                        : config.targetModules().toString());
        shown.put("use_rslora", config.useRslora());
        shown.put("bias", config.bias().peftName());
        return shown;
    }

    /** Collects settings; what is not set keeps PEFT's default. */
    public static final class Builder {

        private int rank = 8;
        private double alpha = 8;
        private double dropout;
        private @Nullable TargetModules targetModules;
        private List<String> excludeModules = List.of();
        private List<Integer> layersToTransform = List.of();
        private @Nullable String layersPattern;
        private Map<String, Integer> rankPattern = Map.of();
        private Map<String, Integer> alphaPattern = Map.of();
        private boolean useRslora;
        private Bias bias = Bias.NONE;
        private List<String> modulesToSave = List.of();
        private LoraInitialization initialization = LoraInitialization.KAIMING;

        private Builder() {}

        public Builder rank(int value) {
            rank = value;
            return this;
        }

        public Builder alpha(double value) {
            alpha = value;
            return this;
        }

        public Builder dropout(double value) {
            dropout = value;
            return this;
        }

        /** One regular expression, {@code all-linear}, or any number of names. */
        public Builder targetModules(String... targets) {
            return targetModules(TargetModules.of(targets));
        }

        public Builder targetModules(@Nullable TargetModules targets) {
            targetModules = targets;
            return this;
        }

        public Builder excludeModules(List<String> names) {
            excludeModules = names;
            return this;
        }

        public Builder layersToTransform(List<Integer> layers) {
            layersToTransform = layers;
            return this;
        }

        public Builder layersPattern(@Nullable String name) {
            layersPattern = name;
            return this;
        }

        public Builder rankPattern(Map<String, Integer> pattern) {
            rankPattern = pattern;
            return this;
        }

        public Builder alphaPattern(Map<String, Integer> pattern) {
            alphaPattern = pattern;
            return this;
        }

        public Builder useRslora(boolean value) {
            useRslora = value;
            return this;
        }

        public Builder bias(Bias value) {
            bias = value;
            return this;
        }

        public Builder modulesToSave(List<String> names) {
            modulesToSave = names;
            return this;
        }

        public Builder initialization(LoraInitialization value) {
            initialization = value;
            return this;
        }

        public LoraConfig config() {
            return new LoraConfig(
                    rank,
                    alpha,
                    dropout,
                    targetModules,
                    excludeModules,
                    layersToTransform,
                    layersPattern,
                    rankPattern,
                    alphaPattern,
                    useRslora,
                    bias,
                    modulesToSave,
                    initialization);
        }

        public Lora build() {
            return new Lora(config());
        }
    }
}
