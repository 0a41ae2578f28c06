package org.finetune4j.peft.vera;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes VeRA from settings, and reads its adapters. */
public final class VeraMethod extends PeftMethod {

    /** Made by the service loader. */
    public VeraMethod() {
        super("vera", VeraConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Vera.of(VeraConfig.from(settings, fromFile));
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
