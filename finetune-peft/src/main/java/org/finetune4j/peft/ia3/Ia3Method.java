package org.finetune4j.peft.ia3;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes IA3 from settings, and reads its adapters. */
public final class Ia3Method extends PeftMethod {

    /** Made by the service loader. */
    public Ia3Method() {
        super("ia3", Ia3.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Ia3.from(settings, fromFile);
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
