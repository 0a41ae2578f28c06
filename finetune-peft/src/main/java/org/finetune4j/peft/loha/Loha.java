package org.finetune4j.peft.loha;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;

/** LoHa (Hyeon-Woo et al. 2022, Yeh et al. 2024): the elementwise product of two low-rank matrices has a rank up to r^2. */
public final class Loha implements PeftStrategy {

    private final LohaConfig config;

    private Loha(LohaConfig config) {
        this.config = config;
    }

    /**
     * {@return LoHa with these settings}
     *
     * @param config the settings
     */
    public static Loha of(LohaConfig config) {
        return new Loha(config);
    }

    @Override
    public String method() {
        return "loha";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        return LinearAdapter.attach(
                model,
                LohaConfig.PEFT_TYPE,
                config.shared().modules(),
                config::toJson,
                trainable,
                (path, linear) -> new LohaLayer(model, config, path, linear, trainable));
    }

    @Override
    public Map<String, Object> settings() {
        return config.shared().describe();
    }
}
