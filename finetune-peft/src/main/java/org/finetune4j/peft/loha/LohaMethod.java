package org.finetune4j.peft.loha;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes LoHa from settings, and reads its adapters. */
public final class LohaMethod extends PeftMethod {

    /** Made by the service loader. */
    public LohaMethod() {
        super("loha", LohaConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Loha.of(LohaConfig.from(settings, fromFile));
    }
}
