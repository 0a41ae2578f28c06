package org.finetune4j.peft.boft;

import org.finetune4j.peft.LinearMethod;

/** Makes BOFT from settings, and reads its adapters. */
public final class BoftMethod extends LinearMethod {

    /** Made by the service loader. */
    public BoftMethod() {
        super("boft", Boft.PEFT_TYPE, Boft::from);
    }
}
