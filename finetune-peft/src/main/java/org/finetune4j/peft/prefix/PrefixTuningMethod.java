package org.finetune4j.peft.prefix;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes prefix tuning from settings, and reads its adapters and those of P-tuning v2. */
public final class PrefixTuningMethod extends PeftMethod {

    static final String NAME = "prefix_tuning";

    /** Made by the service loader. */
    public PrefixTuningMethod() {
        super(NAME, PrefixTuningConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return new PrefixTuning(NAME, PrefixTuningConfig.from(settings, fromFile), fromFile);
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
