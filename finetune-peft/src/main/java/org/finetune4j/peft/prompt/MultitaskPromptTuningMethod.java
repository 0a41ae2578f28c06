package org.finetune4j.peft.prompt;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes multi-task prompt tuning from settings, and reads its adapters. */
public final class MultitaskPromptTuningMethod extends PeftMethod {

    static final String NAME = "multitask_prompt_tuning";

    /** Made by the service loader. */
    public MultitaskPromptTuningMethod() {
        super(NAME, MultitaskPromptTuningConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return new MultitaskPromptTuning(MultitaskPromptTuningConfig.from(settings, fromFile), fromFile);
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
