package org.finetune4j.peft.oft;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;

/** Orthogonal fine-tuning (Qiu et al. 2023, arXiv:2306.07280; Qiu et al. 2025, arXiv:2506.19847): the input is turned, so that angles between neurons stay. */
public final class Oft implements PeftStrategy {

    private final OftConfig config;

    private Oft(OftConfig config) {
        this.config = config;
    }

    /**
     * {@return OFT with these settings}
     *
     * @param config the settings
     */
    public static Oft of(OftConfig config) {
        return new Oft(config);
    }

    @Override
    public String method() {
        return "oft";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        return LinearAdapter.attach(
                model,
                OftConfig.PEFT_TYPE,
                config.modules(),
                config::toJson,
                trainable,
                (path, linear) -> new OftLayer(model, config, path, linear, trainable));
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("r", config.blocks());
        shown.put("oft_block_size", config.blockSize());
        shown.put("target_modules", config.modules().describeTargets());
        return shown;
    }
}
