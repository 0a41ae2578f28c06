package org.finetune4j.peft.hra;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;

/** Householder reflection adaptation (Yuan et al. 2024, arXiv:2405.17484): r reflections of the input, each one vector. */
public final class Hra implements PeftStrategy {

    private final HraConfig config;

    private Hra(HraConfig config) {
        this.config = config;
    }

    /**
     * {@return HRA with these settings}
     *
     * @param config the settings
     */
    public static Hra of(HraConfig config) {
        return new Hra(config);
    }

    @Override
    public String method() {
        return "hra";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        return LinearAdapter.attach(
                model,
                HraConfig.PEFT_TYPE,
                config.modules(),
                config::toJson,
                trainable,
                (path, linear) -> new HraLayer(model, config, path, linear, trainable));
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("r", config.rank());
        shown.put("target_modules", config.modules().describeTargets());
        return shown;
    }
}
