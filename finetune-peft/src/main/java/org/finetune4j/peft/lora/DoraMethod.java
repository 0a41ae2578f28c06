package org.finetune4j.peft.lora;

import org.finetune4j.Settings;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;

/** LoRA with {@code use_dora}, under a name of its own. */
public final class DoraMethod implements FineTuningMethod {

    @Override
    public String name() {
        return "dora";
    }

    @Override
    public FineTuningStrategy create(Settings settings) {
        if (!settings.flag("use_dora", true)) {
            throw settings.invalid("use_dora", "true, since the method is dora");
        }
        return LoraConfigJson.fromSettings(settings, false).toBuilder()
                .useDora(true)
                .build();
    }
}
