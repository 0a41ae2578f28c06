package org.finetune4j.peft.vera;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Construction;
import org.finetune4j.tensor.TensorScope;

/**
 * Vector-based random matrix adaptation (Kopiczko et al. 2024): as LoRA, but A and B are random, frozen and shared by all
 * layers; every layer learns two vectors that scale them.
 */
public final class Vera implements PeftStrategy {

    private final VeraConfig config;

    private Vera(VeraConfig config) {
        this.config = config;
    }

    /**
     * {@return VeRA with these settings}
     *
     * @param config the settings
     */
    public static Vera of(VeraConfig config) {
        return new Vera(config);
    }

    @Override
    public String method() {
        return "vera";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        Map<String, Linear> targets = LinearAdapter.targets(model, VeraConfig.PEFT_TYPE, config.modules());
        try (Construction construction = Construction.begin();
                Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            long in = targets.values().stream()
                    .mapToLong(Linear::inFeatures)
                    .max()
                    .orElseThrow();
            long out = targets.values().stream()
                    .mapToLong(Linear::outFeatures)
                    .max()
                    .orElseThrow();
            VeraProjection projection = new VeraProjection(model, config, in, out);
            List<AdapterPart> parts = new ArrayList<>();
            targets.forEach(
                    (path, linear) -> parts.add(new VeraLayer(model, config, projection, path, linear, trainable)));
            parts.add(projection);
            parts.addAll(config.modules().savedModules(model, targets.keySet(), trainable));
            return construction.complete(Adapter.enabledOn(model, config, targets, parts));
        }
    }

    /** VeRA on a model. */
    private static final class Adapter extends LinearAdapter {

        private Adapter(
                CausalLM model, VeraConfig config, Map<String, Linear> targets, List<? extends AdapterPart> parts) {
            super(model, VeraConfig.PEFT_TYPE, config.modules(), config::toJson, targets, parts);
        }

        static Adapter enabledOn(
                CausalLM model, VeraConfig config, Map<String, Linear> targets, List<? extends AdapterPart> parts) {
            return enabled(new Adapter(model, config, targets, parts));
        }
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("r", config.rank());
        shown.put("vera_dropout", config.dropout());
        shown.put("target_modules", config.modules().describeTargets());
        return shown;
    }
}
