package org.finetune4j.peft.ia3;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.strategy.DeltaKind;

/** IA3 (Liu et al. 2022): keys, values and the feed-forward block's activations are scaled by learned vectors. */
public final class Ia3 implements PeftStrategy {

    private final Ia3Config config;

    private Ia3(Ia3Config config) {
        this.config = config;
    }

    /**
     * {@return IA3 with these settings}
     *
     * @param config the settings
     */
    public static Ia3 of(Ia3Config config) {
        return new Ia3(config);
    }

    @Override
    public String method() {
        return "ia3";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.ADDITION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        TargetModules feedForward = config.feedForward(model);
        return LinearAdapter.attach(
                model,
                Ia3Config.PEFT_TYPE,
                config.modules(),
                () -> config.toJson(model),
                trainable,
                (path, linear) -> new Ia3Layer(model, config, path, linear, feedForward.matches(path), trainable));
    }

    @Override
    public Map<String, Object> settings() {
        return Map.of("target_modules", config.modules().describeTargets());
    }
}
