package org.finetune4j.peft.hra;

import org.finetune4j.peft.LinearMethod;

/** Makes HRA from settings, and reads its adapters. */
public final class HraMethod extends LinearMethod {

    /** Made by the service loader. */
    public HraMethod() {
        super("hra", Hra.PEFT_TYPE, Hra::from);
    }
}
