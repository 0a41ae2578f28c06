package org.finetune4j.peft.randlora;

import org.finetune4j.peft.LinearMethod;

/** Makes RandLoRA from settings, and reads its adapters. */
public final class RandLoraMethod extends LinearMethod {

    /** Made by the service loader. */
    public RandLoraMethod() {
        super("randlora", RandLora.PEFT_TYPE, RandLora::from);
    }
}
