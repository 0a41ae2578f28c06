package org.finetune4j.peft.lokr;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;

/** LoKr (Yeh et al. 2024): the change of a weight is a Kronecker product of two small matrices. */
public final class Lokr implements PeftStrategy {

    private final LokrConfig config;

    private Lokr(LokrConfig config) {
        this.config = config;
    }

    /**
     * {@return LoKr with these settings}
     *
     * @param config the settings
     */
    public static Lokr of(LokrConfig config) {
        return new Lokr(config);
    }

    @Override
    public String method() {
        return "lokr";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        return LinearAdapter.attach(
                model,
                LokrConfig.PEFT_TYPE,
                config.shared().modules(),
                config::toJson,
                trainable,
                (path, linear) -> new LokrLayer(model, config, path, linear, trainable));
    }

    @Override
    public Map<String, Object> settings() {
        return config.shared().describe();
    }
}
