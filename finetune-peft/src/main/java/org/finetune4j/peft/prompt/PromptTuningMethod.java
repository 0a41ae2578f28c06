package org.finetune4j.peft.prompt;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes prompt tuning from settings, and reads its adapters. */
public final class PromptTuningMethod extends PeftMethod {

    static final String NAME = "prompt_tuning";

    /** Made by the service loader. */
    public PromptTuningMethod() {
        super(NAME, PromptTuningConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return new PromptTuning(PromptTuningConfig.from(settings, fromFile), fromFile);
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
