package org.finetune4j.peft.fourierft;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes FourierFT from settings, and reads its adapters. */
public final class FourierFtMethod extends PeftMethod {

    /** Made by the service loader. */
    public FourierFtMethod() {
        super("fourierft", FourierFtConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return FourierFt.of(FourierFtConfig.from(settings, fromFile));
    }
}
