package org.finetune4j.peft.delora;

import org.finetune4j.peft.LinearMethod;

/** Makes DeLoRA from settings, and reads its adapters. */
public final class DeloraMethod extends LinearMethod {

    /** Made by the service loader. */
    public DeloraMethod() {
        super("delora", Delora.PEFT_TYPE, Delora::from);
    }
}
