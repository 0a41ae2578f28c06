package org.finetune4j.peft.hra;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes HRA from settings, and reads its adapters. */
public final class HraMethod extends PeftMethod {

    /** Made by the service loader. */
    public HraMethod() {
        super("hra", HraConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Hra.of(HraConfig.from(settings, fromFile));
    }
}
