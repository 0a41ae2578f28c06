package org.finetune4j.peft.freeze;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes partial fine-tuning from settings, and reads its deltas. */
public final class FreezeMethod extends PeftMethod {

    /** Made by the service loader. */
    public FreezeMethod() {
        super("freeze", FreezeConfig.TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Freeze.of(FreezeConfig.from(settings));
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
