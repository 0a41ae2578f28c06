package org.finetune4j.peft.lora;

import org.finetune4j.Settings;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.StrategyProvider;

/** Makes LoRA from a user's settings. */
public final class LoraProvider implements StrategyProvider {

    @Override
    public String method() {
        return "lora";
    }

    @Override
    public FineTuningStrategy create(Settings settings) {
        return Lora.of(LoraConfigJson.fromSettings(settings, true));
    }
}
