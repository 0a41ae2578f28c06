package org.finetune4j.peft.prompt;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes P-tuning from settings, and reads its adapters. */
public final class PTuningMethod extends PeftMethod {

    static final String NAME = "p_tuning";

    /** Made by the service loader. */
    public PTuningMethod() {
        super(NAME, PTuningConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return new PTuning(PTuningConfig.from(settings, fromFile), fromFile);
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
