package org.finetune4j.peft.adalora;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes AdaLoRA from settings, and reads its adapters. */
public final class AdaLoraMethod extends PeftMethod {

    /** Made by the service loader. */
    public AdaLoraMethod() {
        super("adalora", AdaLoraConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return AdaLora.of(AdaLoraConfig.from(settings, fromFile));
    }
}
