package org.finetune4j.peft.lokr;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes LoKr from settings, and reads its adapters. */
public final class LokrMethod extends PeftMethod {

    /** Made by the service loader. */
    public LokrMethod() {
        super("lokr", LokrConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Lokr.of(LokrConfig.from(settings, fromFile));
    }
}
