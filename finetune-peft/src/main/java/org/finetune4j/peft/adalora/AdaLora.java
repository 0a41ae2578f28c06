package org.finetune4j.peft.adalora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;

/** AdaLoRA (Zhang et al. 2023): ranks move during training to where they matter most, within a shrinking budget. */
public final class AdaLora implements PeftStrategy {

    private final AdaLoraConfig config;

    private AdaLora(AdaLoraConfig config) {
        this.config = config;
    }

    /**
     * {@return AdaLoRA with these settings}
     *
     * @param config the settings
     */
    public static AdaLora of(AdaLoraConfig config) {
        return new AdaLora(config);
    }

    @Override
    public String method() {
        return "adalora";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public AdaLoraAdapter attach(CausalLM model) {
        return attach(model, true);
    }

    @Override
    public AdaLoraAdapter attach(CausalLM model, boolean trainable) {
        return AdaLoraAdapter.attach(model, config, trainable);
    }

    @Override
    public AdaLoraAdapter create(CausalLM model, boolean trainable) {
        return AdaLoraAdapter.create(model, config, trainable);
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("init_r", config.initialRank());
        shown.put("target_r", config.targetRank());
        shown.put("lora_alpha", config.loraAlpha());
        shown.put("orth_reg_weight", config.orthogonalWeight());
        shown.put("target_modules", config.modules().describeTargets());
        return shown;
    }
}
