package org.finetune4j.peft.loha;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.LycorisConfig;
import org.finetune4j.peft.ModuleSelection;
import org.jspecify.annotations.Nullable;

/**
 * LoHa (Hyeon-Woo et al. 2022, Yeh et al. 2024): the elementwise product of two low-rank matrices has a rank up to r^2. The
 * settings have PEFT's names and defaults.
 *
 * @param shared rank, alpha, dropout and layers
 * @param neutral whether the adapter changes nothing at first
 */
public record Loha(LycorisConfig shared, boolean neutral) implements LinearStrategy {

    static final String PEFT_TYPE = "LOHA";

    static Loha from(Settings settings, ModuleSelection modules) {
        return new Loha(LycorisConfig.from(settings, modules), settings.flag("init_weights", true));
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public ModuleSelection modules() {
        return shared.modules();
    }

    @Override
    public boolean worksOnSlices() {
        return true;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new LohaLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>(shared.toJson());
        json.put("init_weights", neutral);
        return json;
    }
}
