package org.finetune4j.peft.prefix;

import org.finetune4j.Settings;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;

/** P-tuning v2 (Liu et al. 2022): a prefix in every layer that trains itself, without a network that makes it. */
public final class PTuningV2Method implements FineTuningMethod {

    private static final String NAME = "ptuning_v2";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public FineTuningStrategy create(Settings settings) {
        if (settings.flag("prefix_projection", false)) {
            throw settings.invalid("prefix_projection", "false, since the method is " + NAME);
        }
        return new PrefixTuning(NAME, PrefixTuningConfig.from(settings, false), false);
    }
}
