package org.finetune4j.peft.lora;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes LoRA from settings, and reads LoRA and DoRA adapters that PEFT, or this library, wrote. */
public final class LoraMethod extends PeftMethod {

    /** Made by the service loader. */
    public LoraMethod() {
        super("lora", LoraConfigJson.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        LoraConfig config = LoraConfigJson.fromSettings(settings, fromFile);
        return fromFile ? Lora.stored(config) : Lora.of(config);
    }
}
