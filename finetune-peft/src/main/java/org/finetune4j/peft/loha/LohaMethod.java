package org.finetune4j.peft.loha;

import org.finetune4j.peft.LinearMethod;

/** Makes LoHa from settings, and reads its adapters. */
public final class LohaMethod extends LinearMethod {

    /** Made by the service loader. */
    public LohaMethod() {
        super("loha", Loha.PEFT_TYPE, Loha::from);
    }
}
