package org.finetune4j.peft.vera;

import org.finetune4j.peft.LinearMethod;

/** Makes VeRA from settings, and reads its adapters. */
public final class VeraMethod extends LinearMethod {

    /** Made by the service loader. */
    public VeraMethod() {
        super("vera", Vera.PEFT_TYPE, Vera::from);
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
