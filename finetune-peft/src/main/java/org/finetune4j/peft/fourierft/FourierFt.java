package org.finetune4j.peft.fourierft;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;

/** FourierFT (Gao et al. 2024, arXiv:2405.03003): a few frequencies of the change of a weight are learned, the others are zero. */
public final class FourierFt implements PeftStrategy {

    private final FourierFtConfig config;

    private FourierFt(FourierFtConfig config) {
        this.config = config;
    }

    /**
     * {@return FourierFT with these settings}
     *
     * @param config the settings
     */
    public static FourierFt of(FourierFtConfig config) {
        return new FourierFt(config);
    }

    @Override
    public String method() {
        return "fourierft";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        return LinearAdapter.attach(
                model,
                FourierFtConfig.PEFT_TYPE,
                config.modules(),
                config::toJson,
                trainable,
                (path, linear) -> new FourierFtLayer(model, config, path, linear, trainable));
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("n_frequency", config.frequencies());
        shown.put("scaling", config.scaling());
        shown.put("target_modules", config.modules().describeTargets());
        return shown;
    }
}
